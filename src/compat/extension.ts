import { type Extension, type ExtensionParameter, formatExtensions, parseExtensions } from '../handshake/extensions.ts';

/** The parameters of an extension by name, each with its values in order; `true` is one that stands alone. */
export type ExtensionParameters = Record<string, (string | true)[]>;

/** What can be formatted: a value instead of a list of values, and one set of parameters instead of a list of them, will do. */
export type FormattableExtensions = Readonly<Record<string, FormattableParameters | readonly FormattableParameters[]>>;

type FormattableValue = string | number | boolean;
type FormattableParameters = Readonly<Record<string, FormattableValue | readonly FormattableValue[]>>;

/** The `extension` of `ws`: the `Sec-WebSocket-Extensions` field (RFC 6455 §9.1) as objects. Made from src/handshake/extensions.ts. */
export const extension = { format, parse };

/**
 * The elements of a field by the name of their extension, in order: `{ a: [{ b: ['1', true] }] }`. No object has a prototype, so that
 * every name is only a name, `__proto__` too.
 * @throws SyntaxError when the header is malformed.
 */
function parse(header: string): Record<string, ExtensionParameters[]> {
  const extensions: Record<string, ExtensionParameters[]> = Object.create(null);
  for (const { name, parameters } of parseExtensions(header)) {
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
 * The field for extensions by name; what {@link parse} gives, and the shorter forms. Values become strings, `true` stands alone.
 * @throws TypeError when a name or a value is not a token, so that nothing can break out of the field. `ws` writes what it is given.
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
