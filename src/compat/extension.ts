import {
  type Extension,
  type ExtensionParameter,
  formatExtensions,
  parseExtensionsStrictly,
} from '../handshake/extensions.ts';

/** Parameters of an extension by name, each with its values in order. `true` stands for a parameter without a value. */
export type ExtensionParameters = Record<string, (string | true)[]>;

/** Input of `format`. A single value may replace a list of values, and a single set of parameters a list of sets. */
export type FormattableExtensions = Readonly<Record<string, FormattableParameters | readonly FormattableParameters[]>>;

type FormattableValue = string | number | boolean;
type FormattableParameters = Readonly<Record<string, FormattableValue | readonly FormattableValue[]>>;

/**
 * `extension` of `ws`: converts the `Sec-WebSocket-Extensions` field (RFC 6455 §9.1) from and to objects, by
 * src/handshake/extensions.ts.
 */
export const extension = { format, parse };

/**
 * Parses a field and groups its elements by the name of their extension, in order: `{ a: [{ b: ['1', true] }] }`. The
 * objects have no prototype, so that names such as `__proto__` have no special meaning.
 * @throws SyntaxError if the header is malformed.
 */
function parse(header: string): Record<string, ExtensionParameters[]> {
  const extensions: Record<string, ExtensionParameters[]> = Object.create(null);
  for (const { name, parameters } of parseExtensionsStrictly(header)) {
    extensions[name] ??= [];
    extensions[name].push(groupByName(parameters));
  }
  return extensions;
}

function groupByName(list: readonly ExtensionParameter[]): ExtensionParameters {
  const parameters: ExtensionParameters = Object.create(null);
  for (const [name, value] of list) {
    parameters[name] ??= [];
    parameters[name].push(value);
  }
  return parameters;
}

/**
 * Formats extensions by name as a field. Accepts the result of {@link parse}, and shorter forms. Values are converted
 * to strings; `true` stands for no value.
 * @throws TypeError if a name or a value is not a token. Otherwise a value could break out of the field; `ws` does not
 *   check.
 */
function format(extensions: FormattableExtensions): string {
  const list: Extension[] = [];
  for (const [name, configurations] of Object.entries(extensions)) {
    for (const configuration of asList(configurations)) list.push({ name, parameters: listParameters(configuration) });
  }
  return formatExtensions(list);
}

function listParameters(configuration: FormattableParameters): ExtensionParameter[] {
  const parameters: ExtensionParameter[] = [];
  for (const [name, values] of Object.entries(configuration)) {
    for (const value of asList(values)) parameters.push([name, value === true ? true : String(value)]);
  }
  return parameters;
}

function asList<Element>(value: Element | readonly Element[]): readonly Element[] {
  return Array.isArray(value) ? value : [value as Element];
}
