/** Scheme and authority of a target in absolute form; the group is the authority. */
const origin = /^(?:https?|wss?):\/\/([^/?#]*)/i;

/** Target that is a URI of any scheme. Node.js lets none without `//` through. */
const uri = /^[a-z][a-z0-9+.-]*:\/\//i;

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

/**
 * Returns the host, with the port if there is one, that a target in absolute form names; undefined for other targets.
 * User information in front of the host is left out.
 */
export function authorityOf(target: string): string | undefined {
  if (target.startsWith('/')) return undefined;
  const authority = origin.exec(target)?.[1];
  return authority?.slice(authority.lastIndexOf('@') + 1);
}

/**
 * True unless the target has a form that a GET must not have (RFC 9112 §3.2): `*`, or the URI of another scheme, or an
 * `http` URI without a host (RFC 9110 §4.2.1). A program may have shortened the target of a request, so others are valid:
 * `room:1` too.
 */
export function isTarget(target: string): boolean {
  if (target.startsWith('/')) return true;
  if (target === '*') return false;
  return !uri.test(target) || isHost(authorityOf(target) ?? '');
}

const host = /^(?:\[[\w:.~!$&'()*+,;=%-]+\]|[\w.~!$&'()*+,;=%-]+)(?::\d*)?$/;

/** True if a text is a host with an optional port, as in the `Host` field (RFC 9110 §7.2, RFC 3986 §3.2.2). */
export function isHost(text: string): boolean {
  return host.test(text);
}

/**
 * Replaces the `Host` of a request by the host of its target, if that is in absolute form. Otherwise the application
 * could decide by a host that is not the requested one (RFC 9112 §3.2.2, §3.3).
 */
export function useHostOfTarget({
  url,
  headers,
}: {
  readonly url?: string | undefined;
  readonly headers?: object;
}): void {
  if (typeof url !== 'string' || url.startsWith('/') || headers === undefined) return;
  const authority = authorityOf(url);
  // Not an assignment, which would throw if a program has frozen the fields.
  if (authority && Object.hasOwn(headers, 'host')) Reflect.set(headers, 'host', authority);
}
