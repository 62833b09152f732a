/** Scheme and authority of a target in absolute form. */
const origin = /^(?:https?|wss?):\/\/[^/?#]*/i;

/**
 * Returns the path of a request target, without its query. A target in absolute form, as sent to a proxy, has the same
 * path as the one in origin form: a server must accept both (RFC 9112 §3.2.2).
 */
export function pathOf(target: string): string {
  const local = target.startsWith('/') ? target : target.replace(origin, '');
  const query = local.indexOf('?');
  const path = query === -1 ? local : local.slice(0, query);
  return path === '' && local !== target ? '/' : path;
}
