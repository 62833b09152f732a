/** Text that is HTML already. */
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

/** A template of HTML: whatever is put in that is not `Html` itself is escaped, for content and quoted attributes alike. */
export function html(strings: TemplateStringsArray, ...contents: readonly Content[]): Html {
  return { html: strings.map((string, index) => string + render(contents[index])).join('') };
}

/** Text that is trusted to be HTML, or a script or a style sheet of ours. */
export function trusted(text: string): Html {
  return { html: text };
}

/** A value as JSON that may stand inside a `script` element: nothing in it can end the element or begin a comment. */
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
