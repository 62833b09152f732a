/** Text that is valid HTML. */
export interface Html {
  readonly html: string;
}

type Content = string | number | Html | readonly Content[] | null | undefined | false;

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Builds HTML from a template. Inserted values other than `Html` are escaped, for content and for quoted attributes.
 */
export function html(strings: TemplateStringsArray, ...contents: readonly Content[]): Html {
  return { html: strings.map((string, index) => string + render(contents[index])).join('') };
}

/** Marks text as trusted HTML, or as our own script or style sheet. */
export function trusted(text: string): Html {
  return { html: text };
}

/** Formats a value as JSON for a `script` element. No part of the value can end the element or begin a comment. */
export function jsonInScript(value: unknown): Html {
  return { html: JSON.stringify(value).replaceAll('<', '\\u003c') };
}

function render(content: Content): string {
  if (content === null || content === undefined || content === false) return '';
  if (typeof content === 'string') return content.replace(/[&<>"']/g, (char) => entities[char]!);
  if (typeof content === 'number') return String(content);
  if ('html' in content) return content.html;
  return content.map(render).join('');
}
