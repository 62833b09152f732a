import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import type { DeflateAgreement, DeflateTerms } from '../extension/deflate-negotiation.ts';
import { readDeflateOptions } from '../extension/per-message-deflate-options.ts';
import { HandshakeError, type HeaderFields } from '../handshake/handshake-error.ts';
import { allowOrigins } from '../handshake/origin.ts';
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
import { reportSocketError, upgradeRefusedChannel } from './diagnostics.ts';
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
import { wants } from './shared-server.ts';

/** For whom upgrades are accepted: a `WebSocketServer`, or one call of `upgrade()`. */
export interface UpgradeHost {
  readonly options: UpgradeOptions;
  /** What became of them for the last socket. */
  shared?: SharedSettings;
  /** What became of `options.perMessageDeflate` for the last request. */
  deflate?: DeflateTermsOf;
  /** What became of `options.origins`; see {@link originPolicy}. */
  readonly allowsOrigin: OriginPolicy | undefined;
  /** The attempts that wait for the application. */
  readonly pending: PendingHandshakes;
  /** Whether the request is for this host, by its path for instance. */
  shouldHandle(request: IncomingMessage): boolean | Promise<boolean>;
  /** Whether new connections are welcome; not, once a server is closing. */
  isRunning(): boolean;
  /** Shows the lines of the response to those who want to change them; false if nobody does. */
  showLines(lines: string[], request: IncomingMessage): boolean;
  /** The connection is open. */
  accepted(websocket: WebSocket): void;
  /** The request breaks a rule, or a callback failed on it. True: somebody else answers on the socket. */
  takesOver(error: HandshakeError, socket: Duplex, request: IncomingMessage): boolean;
  /** The request was refused, or its socket is gone. */
  refused(error: HandshakeError): void;
}

/** The terms that an option stands for. */
interface DeflateTermsOf {
  readonly option: UpgradeOptions['perMessageDeflate'];
  readonly terms: DeflateTerms | undefined;
}

/** What a socket that was accepted is handed to. */
export type AcceptedCallback = (websocket: WebSocket, request: IncomingMessage) => void;

type OriginPolicy = (origin: string | undefined, request: IncomingMessage) => boolean;

/** An opening handshake under way. */
interface Attempt {
  readonly host: UpgradeHost;
  readonly request: IncomingMessage;
  readonly socket: UpgradedStream;
  readonly head: Buffer;
  readonly callback: AcceptedCallback;
  readonly offer: Offer;
  /** True once the attempt was accepted or refused. Nothing that happens later leads to another result. */
  isOver: boolean;
}

const kClaim = Symbol('goodwire.claim');

/**
 * What became of a socket that was to be upgraded: somebody answers on it, or has it as a WebSocket; it was refused; it was left to a
 * listener of `wsClientError`, who may give it to somebody else.
 */
type Claim = 'taken' | 'refused' | 'released';

interface UpgradedStream extends Duplex {
  /** Whoever answers on a socket claims it, so that nobody else writes into it. */
  [kClaim]?: Claim;
}

/** The rule that the option `origins` stands for; undefined lets everybody in. @throws TypeError for a list with no origins in it. */
export function originPolicy(origins: UpgradeOptions['origins']): OriginPolicy | undefined {
  if (origins === undefined || origins === null) return undefined;
  return typeof origins === 'function' ? origins : allowOrigins(origins);
}

/** Checks `responseHeaders` once instead of with each request. @throws TypeError for fields that cannot be sent. */
export function requireResponseHeaders(headers: ResponseHeaders | undefined): void {
  if (headers !== undefined && typeof headers !== 'function') fieldLines(headers);
}

/**
 * The server's half of the opening handshake (RFC 6455 §4.2) on a socket: answers 101 and hands a WebSocket to `callback`, or
 * answers the refusal. From here on an error of the socket brings nothing down. However the stream behaves, the attempt is accepted or
 * refused exactly once, and the socket of a refused attempt is ended.
 * @throws Error when the socket has been upgraded before, or is about to be. Nothing else, but what the callback, a listener of
 * `wsClientError` or an `open` listener of the WebSocket throws.
 */
export function acceptUpgrade(
  host: UpgradeHost,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  callback: AcceptedCallback,
): void {
  const unread: Refused = { host, request, socket, isOver: false };
  let isClaimed: boolean;
  try {
    isClaimed = claim(socket);
  } catch (thrown) {
    reportSocketError(socket, thrown);
    abandon(unread);
    return;
  }
  if (!isClaimed) {
    leave(unread);
    return;
  }
  let offer: Offer;
  try {
    offer = readRequest(host, request);
  } catch (error) {
    fail(unread, asRefusal(error));
    return;
  }

  const attempt: Attempt = { host, request, socket, head, callback, offer, isOver: false };
  proceed(attempt, () => {
    const most = host.options.maxPendingHandshakes ?? defaultMaxPendingHandshakes;
    // Before the application is asked, which would have to begin something that nobody waits for.
    if (most > 0 && host.pending.size >= most) {
      refuse(attempt, policyRefusal(503, 'GOODWIRE_TOO_MANY_HANDSHAKES'));
      return;
    }
    ask(
      attempt,
      () => host.shouldHandle(request),
      (isHandled) => {
        if (isHandled) checkOrigin(attempt);
        else refuse(attempt, notHandled());
      },
    );
  });
}

/**
 * Takes a step of an attempt, unless the attempt has its result: then an answer of the application comes too late. An exception before the
 * attempt has its result is a failure of the application, and answered with 500. A later exception is thrown: it comes from the callback
 * or from a listener, and is the application's own uncaught exception.
 */
function proceed(attempt: Attempt, step: () => void): void {
  if (attempt.isOver) return;
  try {
    step();
  } catch (thrown) {
    if (attempt.isOver) throw thrown;
    fail(attempt, applicationFailure(thrown));
  }
}

/** Returns an error that was thrown while a request was read, as a refusal. */
function asRefusal(thrown: unknown): HandshakeError {
  return thrown instanceof HandshakeError ? thrown : applicationFailure(thrown);
}

/** Takes a socket for the one who is going to answer on it; false if somebody has it already. */
function claim(socket: UpgradedStream): boolean {
  const { [kClaim]: former } = socket;
  if (former !== undefined && former !== 'released') return false;
  if (former === undefined) socket.on('error', onSocketError);
  socket[kClaim] = 'taken';
  return true;
}

/**
 * What becomes of a request whose socket somebody else has: nothing is written to it. A refusal needs no answer then, which is all that
 * there is to servers that are offered every request in turn, but two who want it are a mistake of the application's.
 * @throws Error for a request that would be accepted.
 */
function leave({ host, request, socket }: Refused): void {
  if (socket[kClaim] === 'refused') {
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
  // A request without raw headers was not read from a connection: tests inject such, and do not name a host.
  return readOffer(request, { needsHost: request.rawHeaders?.length > 0 });
}

/** Published, because the application has no listener on this socket, and would be ended by the error. */
function onSocketError(this: Duplex, error: Error): void {
  reportSocketError(this, error);
  forceDestroy(this);
}

/** Asks the application and continues with its answer: at once, or later if the answer is a promise. Called within {@link proceed}. */
function ask<T>(attempt: Attempt, question: () => T | PromiseLike<T>, next: (answer: T) => void): void {
  const answer = question();
  if (!isPromise(answer)) {
    next(answer);
    return;
  }
  // A promise of another library may throw from its then(), or call back twice.
  Promise.resolve(answer).then(
    (given) => proceed(attempt, () => next(given)),
    (cause) => fail(attempt, applicationFailure(cause)),
  );
  // Last, because it throws if the stream misbehaves, and a rejection of the promise would be unhandled then.
  wait(attempt);
}

/** The application takes its time to answer: so much of it as it has, and as long as the client waits. */
function wait(attempt: Attempt): void {
  const { host, socket } = attempt;
  if (host.pending.has(attempt)) return;
  const timeout = host.options.handshakeTimeout ?? defaultHandshakeTimeout;
  host.pending.add(attempt, socket, timeout, () => refuse(attempt, policyRefusal(503, 'GOODWIRE_HANDSHAKE_TIMEOUT')));
}

/** Any promise, by whatever library: taken for a mere value it would be a yes. */
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
      // Exactly true: what is merely truthy, a match for instance, was not meant to let somebody in.
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
  // Called as methods of the options, where `this` leads to them.
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

/** An answer given during the call is held back until the call is over, lest what the answer leads to be taken for the call's failure. */
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
  // An async function that rejects would otherwise end the process as an unhandled rejection.
  if (isPromise(returned)) {
    Promise.resolve(returned).then(undefined, (cause) => fail(attempt, applicationFailure(cause)));
  }
  if (verdict === undefined) wait(attempt);
  else judge(verdict);
}

function verdictRefusal({ code = 401, message, headers = {} }: Verdict): HandshakeError {
  const text = message === undefined || message === null ? undefined : String(message);
  // A status may come as text, from a table of them for instance.
  return policyRefusal(Number(code || 401), 'GOODWIRE_NOT_VERIFIED', text, readHeaders(headers));
}

function readHeaders(headers: OutgoingHttpHeaders): HeaderFields {
  const fields: Record<string, string | readonly string[]> = Object.create(null);
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (value !== undefined) fields[name] = typeof value === 'number' ? String(value) : value;
  }
  return fields;
}

/** Step 5 of §4.2.2: the response, and from then on the connection is open. */
function complete(attempt: Attempt): void {
  const { host, request, socket, head, callback } = attempt;
  host.pending.delete(attempt);
  // It may have gone while the application was thinking.
  if (!isAlive(socket)) {
    abandon(attempt);
    return;
  }
  if (!host.isRunning()) {
    refuse(attempt, policyRefusal(503, 'GOODWIRE_SERVER_CLOSING'));
    return;
  }
  // A class of the application's may throw, and so may its callbacks and the options that it has put in the place of others.
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
    // The application's own exception: an `open` listener of its class threw.
    if (websocket.readyState === WebSocket.OPEN) {
      forceDestroy(socket);
      throw thrown;
    }
    reportSocketError(socket, thrown);
    end(attempt);
    return;
  }
  // The stream closed meanwhile, and its events are over: a list of clients would keep the WebSocket for ever.
  if (websocket.readyState === WebSocket.CONNECTING || websocket.readyState === WebSocket.CLOSED) {
    end(attempt);
    return;
  }
  stopWatching(socket);
  host.accepted(websocket);
  callback(websocket, request);
}

/** Leaves errors of the socket to its WebSocket. */
function stopWatching(socket: Duplex): void {
  try {
    socket.removeListener('error', onSocketError);
  } catch {
    // The listener that stays destroys a socket that has failed, as the WebSocket does.
  }
}

/** The response that opens the connection, and what it agrees to. */
interface Response {
  readonly head: string;
  readonly protocol: string;
  readonly deflate: DeflateAgreement | null;
  /** The option on whose terms it does. */
  readonly option: UpgradeOptions['perMessageDeflate'];
}

/** Who shows the lines of the response to somebody may find another option behind that, which is for the requests to come. */
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
  return { head: formatHead(lines), protocol: agreement.protocol, deflate: agreement.deflate, option };
}

/** An application may change the option from request to request. */
function termsOf(host: UpgradeHost): DeflateTermsOf {
  const { perMessageDeflate: option } = host.options;
  if (host.deflate === undefined || host.deflate.option !== option)
    host.deflate = { option, terms: readDeflateOptions('server', option)?.terms };
  return host.deflate;
}

function chooseProtocol(options: UpgradeOptions, { subprotocols }: Offer, request: IncomingMessage): string {
  if (subprotocols.size === 0) return '';
  // Called as a method of the options, as `verifyClient` is.
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

type Refused = Pick<Attempt, 'host' | 'request' | 'socket' | 'isOver'>;

/** Notes that an attempt has its result. Returns false if it had one before: then there must be no second answer. */
function conclude(attempt: Refused): boolean {
  if (attempt.isOver) return false;
  attempt.isOver = true;
  attempt.host.pending.delete(attempt);
  return true;
}

/** Refuses a request that breaks a rule, or on which a callback failed. A listener of `wsClientError` may answer instead. */
function fail(attempt: Refused, error: HandshakeError): void {
  if (conclude(attempt)) answerFailure(attempt, error);
}

/** Refuses a request by a decision of the server's, with 500 if the application gave a status or headers that cannot be sent. */
function refuse(attempt: Refused, error: HandshakeError): void {
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

/** Ends an attempt that cannot be answered. */
function abandon(attempt: Refused): void {
  if (conclude(attempt)) end(attempt);
}

// From here on: attempts that have their result. None of these functions leads to another result.

/**
 * Answers a failure, or leaves that to a listener of `wsClientError`.
 * @throws what the listener throws, once the socket has been ended.
 */
function answerFailure(attempt: Refused, error: HandshakeError): void {
  const { host, request, socket } = attempt;
  if (!isAlive(socket)) {
    end(attempt, error);
    return;
  }
  socket[kClaim] = 'released';
  let isTakenOver: boolean;
  try {
    isTakenOver = host.takesOver(error, socket, request);
  } catch (thrown) {
    // Otherwise the socket would stay open, unless the listener has given it to another server before.
    if (socket[kClaim] === 'released') {
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
    // The application has changed the table of status texts of node:http so that no response can be written.
    end(attempt, error);
    return;
  }
  answer(attempt, error, response);
}

/** Writes the response, ends the socket, and announces the refusal. */
function answer(attempt: Refused, error: HandshakeError, response: string): void {
  const { host, socket } = attempt;
  if (!isAlive(socket)) {
    end(attempt, error);
    return;
  }
  mark(socket, 'refused');
  endSocket(socket, closeTimeoutOf(host), response);
  announce(attempt, error);
}

/** Ends a socket that nobody is left on to be answered, and announces the refusal. */
function end(attempt: Refused, error = socketClosed()): void {
  const { socket } = attempt;
  mark(socket, 'refused');
  forceDestroy(socket);
  announce(attempt, error);
}

function mark(socket: UpgradedStream, claim: Claim): void {
  try {
    socket[kClaim] = claim;
  } catch {
    // A frozen stream takes no claim. It has no listener of ours either, and is about to be destroyed.
  }
}

function closeTimeoutOf({ options }: UpgradeHost): number {
  return options.closeTimeout ?? defaultCloseTimeout;
}

function notHandled(): HandshakeError {
  return policyRefusal(400, 'GOODWIRE_NOT_HANDLED');
}

function socketClosed(): HandshakeError {
  return new HandshakeError(400, 'GOODWIRE_SOCKET_CLOSED', 'The socket closed during the opening handshake');
}

function announce({ host, request }: Refused, error: HandshakeError): void {
  if (upgradeRefusedChannel.hasSubscribers) upgradeRefusedChannel.publish({ error, request });
  host.refused(error);
}
