import type { Server as HttpServer, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import type { DeflateAgreement, DeflateTerms } from '../extension/deflate-negotiation.ts';
import { readDeflateOptions } from '../extension/per-message-deflate-options.ts';
import { HandshakeError, type HeaderFields } from '../handshake/handshake-error.ts';
import { allowOrigins } from '../handshake/origin.ts';
import { useHostOfTarget } from '../handshake/request-target.ts';
import {
  agree,
  agreementLines,
  fieldLines,
  formatHead,
  type Offer,
  readOffer,
  requireLines,
} from '../handshake/server-handshake.ts';
import { forceDestroy } from '../transport/destroy-stream.ts';
import { defaultCloseTimeout } from '../transport/transport-settings.ts';
import { agreedSettings, type SharedSettings, sharedSettings } from '../websocket/socket-settings.ts';
import { WebSocket } from '../websocket/websocket.ts';
import { type Claim, claimOf, setClaim } from './claim.ts';
import { reportRefusal, reportSocketError } from './diagnostics.ts';
import { afterEarlierResponses, earlierResponse } from './earlier-responses.ts';
import { defaultHandshakeTimeout, defaultMaxPendingHandshakes, requireFewFields } from './handshake-limits.ts';
import type { PendingHandshakes } from './pending-handshakes.ts';
import { applicationFailure, endSocket, policyRefusal, refusalText } from './refuse-upgrade.ts';
import type {
  ClientInfo,
  ResponseHeaders,
  UpgradeOptions,
  VerifyClientAsync,
  VerifyClientSync,
} from './server-options.ts';
import { leaveUnanswered, wants } from './shared-server.ts';

/** Owner of an opening handshake: a `WebSocketServer`, or one call of `upgrade()`. */
export interface UpgradeHost {
  readonly options: UpgradeOptions;
  /** Cache: the settings built from `options` for the previous socket. */
  shared?: SharedSettings;
  /** Cache: the terms built from `options.perMessageDeflate` for the previous request. */
  deflate?: DeflateTermsOf;
  /** Rule built from `options.origins`; see {@link originPolicy}. */
  readonly allowsOrigin: OriginPolicy | undefined;
  /** Attempts that wait for an answer of the application, or for responses to earlier requests on their connection. */
  readonly pending: PendingHandshakes;
  /** True if this host handles the request, which may depend on its path. */
  shouldHandle(request: IncomingMessage): boolean | Promise<boolean>;
  /** Returns the HTTP server whose other listeners may take a request that this host does not handle; null if none may. */
  sharedServer?(): HttpServer | null;
  /** True if new connections are accepted; false once a server is closing. */
  isRunning(): boolean;
  /** Passes the lines of the response to listeners that may change them. Returns false without listeners. */
  showLines(lines: string[], request: IncomingMessage): boolean;
  /** Called when the connection is open. */
  accepted(websocket: WebSocket): void;
  /**
   * Called if the request breaks a rule, or a callback failed on it. Returns true if a listener answers on the socket.
   */
  takesOver(error: HandshakeError, socket: Duplex, request: IncomingMessage): boolean;
  /** Called if the request was refused, or its socket closed. */
  refused(error: HandshakeError): void;
}

/** Terms of permessage-deflate, and the option from which they were built. */
interface DeflateTermsOf {
  readonly option: UpgradeOptions['perMessageDeflate'];
  readonly terms: DeflateTerms | undefined;
}

/** Called with each accepted WebSocket. */
export type AcceptedCallback = (websocket: WebSocket, request: IncomingMessage) => void;

type OriginPolicy = (origin: string | undefined, request: IncomingMessage) => boolean;

/** Opening handshake in progress, whose request is perhaps not read yet. */
interface Begun {
  readonly host: UpgradeHost;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** True once the attempt was accepted or refused. Later events do not change the result. */
  hasResult: boolean;
  /** True while responses to earlier requests on the connection are written. Nothing may be written meanwhile. */
  awaitsTurn: boolean;
}

/** Opening handshake in progress, whose request meets the rules. */
interface Attempt extends Begun {
  readonly head: Buffer;
  readonly callback: AcceptedCallback;
  readonly offer: Offer;
}

/**
 * Returns the rule for the option `origins`; undefined accepts every origin.
 * @throws TypeError if an entry of the list is not an origin.
 */
export function originPolicy(origins: UpgradeOptions['origins']): OriginPolicy | undefined {
  if (origins === undefined || origins === null) return undefined;
  return typeof origins === 'function' ? origins : allowOrigins(origins);
}

/**
 * Checks `responseHeaders` once instead of for each request.
 * @throws TypeError if a field cannot be sent.
 */
export function requireResponseHeaders(headers: ResponseHeaders | undefined): void {
  if (headers !== undefined && typeof headers !== 'function') fieldLines(headers);
}

/**
 * Performs the server's part of the opening handshake (RFC 6455 §4.2) on a socket: responds 101 and calls `callback`
 * with a WebSocket, or responds with the refusal. From then on an `error` event of the socket is not an uncaught
 * exception. However the stream behaves, the attempt is accepted or refused exactly once, and the socket of a refused
 * attempt is ended.
 * @throws Error if the socket was upgraded before, or is being upgraded. Otherwise only errors of `callback`, of a
 *   listener of `wsClientError` or of an `open` listener of the WebSocket.
 */
export function acceptUpgrade(
  host: UpgradeHost,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  callback: AcceptedCallback,
): void {
  const begun: Begun = { host, request, socket, hasResult: false, awaitsTurn: false };
  let isClaimed: boolean;
  try {
    isClaimed = claim(socket);
  } catch (thrown) {
    reportSocketError(socket, thrown);
    abandon(begun);
    return;
  }
  if (!isClaimed) leave(begun);
  else awaitTurn(begun, () => decide(begun, head, callback));
}

/**
 * Calls `decide` when the responses to earlier requests on the connection are written: at once, if there are none. The
 * attempt ends without a response if that takes longer than `handshakeTimeout`, or if too many attempts wait already.
 */
function awaitTurn(attempt: Begun, decide: () => void): void {
  const { host, request, socket } = attempt;
  const earlier = earlierResponse(request);
  if (earlier === undefined) {
    decide();
    return;
  }
  if (isFull(host)) {
    abandon(attempt, tooManyHandshakes());
    return;
  }
  attempt.awaitsTurn = true;
  try {
    const stop = afterEarlierResponses(request, earlier, {
      written: () => {
        attempt.awaitsTurn = false;
        // The response has ended the connection, by `Connection: close`.
        if (isAlive(socket) && isAlive(request.socket)) decide();
        else leaveEnded(attempt);
      },
      closed: () => abandon(attempt),
    });
    wait(attempt, stop);
  } catch (thrown) {
    reportSocketError(socket, thrown);
    abandon(attempt);
  }
}

/** Reads the request, and accepts or refuses it. */
function decide(begun: Begun, head: Buffer, callback: AcceptedCallback): void {
  const { host, request } = begun;
  let offer: Offer;
  try {
    offer = readRequest(host, request);
  } catch (error) {
    fail(begun, asRefusal(error));
    return;
  }

  // The same object, because it may be among the waiting handshakes already.
  const attempt: Attempt = Object.assign(begun, { head, callback, offer });
  proceed(attempt, () => {
    // Checked before the application is asked. Otherwise its work would be wasted.
    if (!host.pending.has(attempt) && isFull(host)) {
      refuse(attempt, tooManyHandshakes());
      return;
    }
    ask(
      attempt,
      () => host.shouldHandle(request),
      (isHandled) => {
        if (isHandled) checkOrigin(attempt);
        else leaveToOthers(attempt);
      },
    );
  });
}

/** True if as many handshakes as allowed wait already. */
function isFull({ options, pending }: UpgradeHost): boolean {
  const limit = options.maxPendingHandshakes ?? defaultMaxPendingHandshakes;
  return limit > 0 && pending.size >= limit;
}

/**
 * Runs a step of an attempt, unless the attempt has its result: a later answer of the application is ignored. An
 * exception before the result is a failure of the application, and the response is 500. An exception after the result
 * is rethrown: it comes from the callback or from a listener, and must be uncaught.
 */
function proceed(attempt: Attempt, step: () => void): void {
  if (attempt.hasResult) return;
  try {
    step();
  } catch (thrown) {
    if (attempt.hasResult) throw thrown;
    fail(attempt, applicationFailure(thrown));
  }
}

/** Converts an error thrown while reading a request to a refusal. */
function asRefusal(thrown: unknown): HandshakeError {
  return thrown instanceof HandshakeError ? thrown : applicationFailure(thrown);
}

/** Claims a socket for the server that will answer on it. Returns false if the socket is already claimed. */
function claim(socket: Duplex): boolean {
  const former = claimOf(socket);
  if (former !== undefined && former !== 'released') return false;
  if (former === undefined) socket.on('error', onSocketError);
  setClaim(socket, 'taken');
  return true;
}

/**
 * Handles an upgrade request whose socket another server has already claimed. Nothing is written. If this server would
 * refuse the request, the refusal is only reported; several servers may be offered every request in turn. If it would
 * accept the request, two servers compete for the socket: an application error.
 * @throws Error if the request would be accepted.
 */
function leave({ host, request, socket }: Begun): void {
  if (claimOf(socket) === 'refused') {
    host.refused(socketClosed());
    return;
  }
  try {
    readRequest(host, request);
  } catch (error) {
    host.refused(asRefusal(error));
    return;
  }
  if (!wants(host, request)) {
    host.refused(notHandled());
    return;
  }
  throw new Error(
    'server.handleUpgrade() was called more than once with the same socket, possibly due to a misconfiguration',
  );
}

function readRequest({ options }: UpgradeHost, request: IncomingMessage): Offer {
  requireFewFields(request, options);
  useHostOfTarget(request);
  return readOffer(request, { needsHost: needsHost(request) });
}

/** True if the request must name a host. */
function needsHost({ rawHeaders, socket }: IncomingMessage): boolean {
  // A request without raw headers was not read from a connection: tests inject such requests without a host.
  if (!(rawHeaders?.length > 0)) return false;
  // Node's types omit the HTTP server of a socket and its option.
  const { server } = (socket ?? {}) as { readonly server?: { readonly requireHostHeader?: boolean } | null };
  return server?.requireHostHeader !== false;
}

/**
 * Publishes the error. Otherwise it would be an uncaught exception, because the application has no listener on this
 * socket.
 */
function onSocketError(this: Duplex, error: Error): void {
  reportSocketError(this, error);
  forceDestroy(this);
}

/**
 * Asks the application and continues with its answer: at once, or later if the answer is a promise. Call it within
 * {@link proceed}.
 */
function ask<T>(attempt: Attempt, question: () => T | PromiseLike<T>, next: (answer: T) => void): void {
  const answer = question();
  if (!isPromise(answer)) {
    next(answer);
    return;
  }
  // Otherwise a promise of another library could throw from then(), or call back twice.
  Promise.resolve(answer).then(
    (given) => proceed(attempt, () => next(given)),
    (cause) => fail(attempt, applicationFailure(cause)),
  );
  // Called last, because it throws if the stream misbehaves. Otherwise a rejection of the promise would be unhandled.
  wait(attempt);
}

/**
 * Waits for the attempt's turn or for the application's answer, at most `handshakeTimeout` milliseconds for both and as
 * long as the client stays connected.
 * @param stop Called if the time has passed.
 */
function wait(attempt: Begun, stop?: () => void): void {
  const { host, socket } = attempt;
  if (host.pending.has(attempt)) return;
  const timeout = host.options.handshakeTimeout ?? defaultHandshakeTimeout;
  host.pending.add(attempt, socket, timeout, (isClosing) => {
    stop?.();
    const error = policyRefusal(503, isClosing ? 'GOODWIRE_SERVER_CLOSING' : 'GOODWIRE_HANDSHAKE_TIMEOUT');
    // A response would be taken for the one to an earlier request.
    if (attempt.awaitsTurn) abandon(attempt, error);
    else refuse(attempt, error);
  });
}

/** True for promises of any library. Otherwise such a promise would count as a truthy answer. */
function isPromise<T>(answer: T | PromiseLike<T>): answer is PromiseLike<T> {
  return typeof (answer as PromiseLike<T> | null | undefined)?.then === 'function';
}

function checkOrigin(attempt: Attempt): void {
  const { host, request, offer } = attempt;
  const { allowsOrigin } = host;
  if (allowsOrigin === undefined) {
    verifyClient(attempt);
    return;
  }
  ask(
    attempt,
    () => allowsOrigin(offer.origin, request),
    (isAllowed) => {
      // Only `true` accepts. Otherwise a truthy value such as a match result could accept an origin by mistake.
      if (isAllowed === true) verifyClient(attempt);
      else refuse(attempt, policyRefusal(403, 'GOODWIRE_ORIGIN_NOT_ALLOWED'));
    },
  );
}

interface Verdict {
  readonly isAllowed: boolean;
  readonly code?: number | undefined;
  readonly message?: string | undefined;
  readonly headers?: OutgoingHttpHeaders | undefined;
}

function verifyClient(attempt: Attempt): void {
  const { host, request, offer } = attempt;
  const { options } = host;
  if (!options.verifyClient) {
    complete(attempt);
    return;
  }
  const { socket } = request as { socket?: { encrypted?: boolean; authorized?: boolean } };
  const info: ClientInfo = {
    origin: offer.origin as string,
    secure: Boolean(socket?.authorized || socket?.encrypted),
    req: request,
  };
  const judge = (verdict: Verdict) => {
    if (verdict.isAllowed) complete(attempt);
    else refuse(attempt, verdictRefusal(verdict));
  };
  // Called as a method of the options, so that `this` refers to them.
  if (options.verifyClient.length === 2) {
    const asked = options as { verifyClient: VerifyClientAsync };
    askByCallback(attempt, (answer) => asked.verifyClient(info, answer), judge);
  } else {
    const asked = options as { verifyClient: VerifyClientSync };
    ask(
      attempt,
      () => asked.verifyClient(info),
      (isAllowed) => judge({ isAllowed }),
    );
  }
}

type Answer = Parameters<VerifyClientAsync>[1];

/**
 * Defers an answer given during the call until the call has returned. Otherwise an exception of the next steps would
 * count as a failure of the call.
 */
function askByCallback(
  attempt: Attempt,
  question: (answer: Answer) => unknown,
  judge: (verdict: Verdict) => void,
): void {
  let verdict: Verdict | undefined;
  let isCalling = true;
  const answer: Answer = (isAllowed, code, message, headers) => {
    if (verdict !== undefined) return;
    const given = { isAllowed, code, message, headers };
    verdict = given;
    if (!isCalling) proceed(attempt, () => judge(given));
  };
  const returned = question(answer);
  isCalling = false;
  // Otherwise the rejection of an async function would be unhandled and end the process.
  if (isPromise(returned)) {
    Promise.resolve(returned).then(undefined, (cause) => fail(attempt, applicationFailure(cause)));
  }
  if (verdict === undefined) wait(attempt);
  else judge(verdict);
}

function verdictRefusal({ code = 401, message, headers = {} }: Verdict): HandshakeError {
  const text = message === undefined || message === null ? undefined : String(message);
  // The status may be text, from a table for example.
  return policyRefusal(Number(code || 401), 'GOODWIRE_NOT_VERIFIED', text, readHeaders(headers));
}

function readHeaders(headers: OutgoingHttpHeaders): HeaderFields {
  const fields: Record<string, string | readonly string[]> = Object.create(null);
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (value !== undefined) fields[name] = typeof value === 'number' ? String(value) : value;
  }
  return fields;
}

/** Sends the response (step 5 of §4.2.2). The connection is then open. */
function complete(attempt: Attempt): void {
  const { host, request, socket, head, callback } = attempt;
  host.pending.delete(attempt);
  // The socket may have closed while the application decided.
  if (!isAlive(socket)) {
    abandon(attempt);
    return;
  }
  if (!host.isRunning()) {
    refuse(attempt, policyRefusal(503, 'GOODWIRE_SERVER_CLOSING'));
    return;
  }
  // A subclass of the application may throw, and so may its callbacks and replaced options.
  const websocket = new (host.options.WebSocket ?? WebSocket)(null, undefined, host.options);
  const response = compose(attempt);
  const { protocol, deflate } = response;
  host.shared = sharedSettings(optionsBehind(host.options, response), host.shared);
  const settings = agreedSettings(host.shared, deflate);

  conclude(attempt);
  try {
    socket.write(response.head);
    if (isAlive(socket)) websocket.setSocket(socket, head, { protocol, deflate: deflate ?? undefined, settings });
  } catch (thrown) {
    // An `open` listener of the application's subclass threw.
    if (websocket.readyState === WebSocket.OPEN) {
      forceDestroy(socket);
      throw thrown;
    }
    reportSocketError(socket, thrown);
    end(attempt);
    return;
  }
  // The stream closed in the meantime and emits no more events. Otherwise `clients` would keep the WebSocket forever.
  if (websocket.readyState === WebSocket.CONNECTING || websocket.readyState === WebSocket.CLOSED) {
    end(attempt);
    return;
  }
  stopWatching(socket);
  host.accepted(websocket);
  callback(websocket, request);
}

/** Removes our error listener, because the WebSocket now handles errors of the socket. */
function stopWatching(socket: Duplex): void {
  try {
    socket.removeListener('error', onSocketError);
  } catch {
    // The remaining listener destroys a failed socket, as the WebSocket does.
  }
}

/** Response that opens the connection, and the agreement in it. */
interface Response {
  readonly head: string;
  readonly protocol: string;
  readonly deflate: DeflateAgreement | null;
  /** Value of the option `perMessageDeflate` for this response. */
  readonly option: UpgradeOptions['perMessageDeflate'];
}

/**
 * Returns the options for this response. A `headers` listener may have replaced `options.perMessageDeflate`. This
 * response must use the value its lines were built from; the new value applies to later requests.
 */
function optionsBehind(options: UpgradeOptions, { option }: Response): UpgradeOptions {
  return options.perMessageDeflate === option ? options : { ...options, perMessageDeflate: option };
}

function compose({ host, request, offer }: Attempt): Response {
  const { responseHeaders } = host.options;
  const chosen = chooseProtocol(host.options, offer, request);
  const { option, terms } = termsOf(host);
  const agreement = agree(offer, chosen, terms);
  const lines = agreementLines(agreement);
  if (responseHeaders !== undefined) {
    const fields = typeof responseHeaders === 'function' ? responseHeaders(request) : responseHeaders;
    if (fields !== undefined) lines.push(...fieldLines(fields));
  }
  if (host.showLines(lines, request)) requireLines(lines);
  // "MUST send a 100 (Continue) response before sending a 101" (RFC 9110 §7.8).
  const interim = offer.expectsContinue ? formatHead(['HTTP/1.1 100 Continue']) : '';
  return { head: interim + formatHead(lines), protocol: agreement.protocol, deflate: agreement.deflate, option };
}

/** Rebuilt if the option has changed, because an application may change it between requests. */
function termsOf(host: UpgradeHost): DeflateTermsOf {
  const { perMessageDeflate: option } = host.options;
  if (host.deflate === undefined || host.deflate.option !== option)
    host.deflate = { option, terms: readDeflateOptions('server', option)?.terms };
  return host.deflate;
}

function chooseProtocol(options: UpgradeOptions, { subprotocols }: Offer, request: IncomingMessage): string {
  if (subprotocols.size === 0) return '';
  // Called as a method of the options, like `verifyClient`.
  if (options.handleProtocols) return options.handleProtocols(subprotocols, request) || '';
  const [first = ''] = subprotocols;
  return first;
}

function isAlive(socket: Duplex): boolean {
  try {
    return !socket.destroyed && socket.readable && socket.writable;
  } catch {
    return false;
  }
}

/** Records that an attempt has its result. Returns false if it had one before: a second response must not be sent. */
function conclude(attempt: Begun): boolean {
  if (attempt.hasResult) return false;
  attempt.hasResult = true;
  attempt.host.pending.delete(attempt);
  return true;
}

/**
 * Refuses a request that breaks a rule, or on which a callback failed. A listener of `wsClientError` may respond
 * instead.
 */
function fail(attempt: Begun, error: HandshakeError): void {
  if (conclude(attempt)) answerFailure(attempt, error);
}

/** Refuses a request by policy. The response is 500 if the application gave a status or headers that cannot be sent. */
function refuse(attempt: Begun, error: HandshakeError): void {
  if (!conclude(attempt)) return;
  let response: string;
  try {
    response = refusalText(error);
  } catch (cause) {
    answerFailure(attempt, applicationFailure(cause));
    return;
  }
  answer(attempt, error, response);
}

/** Ends an attempt without a response, and destroys the socket. */
function abandon(attempt: Begun, error?: HandshakeError): void {
  if (conclude(attempt)) end(attempt, error);
}

/** Ends an attempt without a response on a socket that was ended, whose last octets may not be sent yet. */
function leaveEnded(attempt: Begun): void {
  const { host, socket } = attempt;
  if (!conclude(attempt)) return;
  mark(socket, 'refused');
  endSocket(socket, closeTimeoutOf(host));
  announce(attempt, socketClosed());
}

/**
 * Refuses a request that is not for this server. If the HTTP server has other listeners, which were offered it at the
 * same time, the request is left to them: nothing is written, because one of them may have taken the socket meanwhile.
 */
function leaveToOthers(attempt: Begun): void {
  const { host, request, socket } = attempt;
  const server = host.sharedServer?.() ?? null;
  if (server === null) {
    refuse(attempt, notHandled());
    return;
  }
  if (!conclude(attempt)) return;
  mark(socket, 'released');
  leaveUnanswered(server, request, socket, host.options.handshakeTimeout ?? defaultHandshakeTimeout);
  announce(attempt, notHandled());
}

// The functions below handle attempts that have their result, and do not change it.

/**
 * Responds to a failure, or leaves the response to a listener of `wsClientError`.
 * @throws an error of the listener, after the socket was ended.
 */
function answerFailure(attempt: Begun, error: HandshakeError): void {
  const { host, request, socket } = attempt;
  if (!isAlive(socket)) {
    end(attempt, error);
    return;
  }
  setClaim(socket, 'released');
  let isTakenOver: boolean;
  try {
    isTakenOver = host.takesOver(error, socket, request);
  } catch (thrown) {
    // Otherwise the socket would stay open, unless the listener has passed it to another server before.
    if (claimOf(socket) === 'released') {
      mark(socket, 'refused');
      endSocket(socket, closeTimeoutOf(host));
    }
    announce(attempt, error);
    throw thrown;
  }
  if (isTakenOver) {
    announce(attempt, error);
    return;
  }
  let response: string;
  try {
    response = refusalText(error);
  } catch {
    // No response can be written, because the application has changed the status texts of node:http.
    end(attempt, error);
    return;
  }
  answer(attempt, error, response);
}

/** Writes the response, ends the socket, and reports the refusal. */
function answer(attempt: Begun, error: HandshakeError, response: string): void {
  const { host, socket } = attempt;
  if (!isAlive(socket)) {
    end(attempt, error);
    return;
  }
  mark(socket, 'refused');
  endSocket(socket, closeTimeoutOf(host), response);
  announce(attempt, error);
}

/** Destroys a socket on which no response can be sent, and reports the refusal. */
function end(attempt: Begun, error = socketClosed()): void {
  const { socket } = attempt;
  mark(socket, 'refused');
  forceDestroy(socket);
  announce(attempt, error);
}

function mark(socket: Duplex, claim: Claim): void {
  try {
    setClaim(socket, claim);
  } catch {
    // The stream is frozen and cannot be claimed. It has no listener of ours either, and is about to be destroyed.
  }
}

function closeTimeoutOf({ options }: UpgradeHost): number {
  return options.closeTimeout ?? defaultCloseTimeout;
}

function tooManyHandshakes(): HandshakeError {
  return policyRefusal(503, 'GOODWIRE_TOO_MANY_HANDSHAKES');
}

function notHandled(): HandshakeError {
  return policyRefusal(400, 'GOODWIRE_NOT_HANDLED');
}

function socketClosed(): HandshakeError {
  return new HandshakeError(400, 'GOODWIRE_SOCKET_CLOSED', 'The socket closed during the opening handshake');
}

function announce({ host, request }: Begun, error: HandshakeError): void {
  reportRefusal(error, request, host.options);
  host.refused(error);
}
