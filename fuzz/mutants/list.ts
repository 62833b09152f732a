/** Typical programming error in one place of `src/`. */
export interface Mutant {
  /** Below `src/`. */
  readonly file: string;
  /** Text in the file, which must occur exactly once. */
  readonly from: string;
  /** Replacement. */
  readonly to: string;
  /** Description of the fault. */
  readonly fault: string;
  /** Tests under `test/` that must detect the fault: folders, or prefixes of file names. */
  readonly tests: readonly string[];
}

function faults(
  file: string,
  tests: readonly string[],
  list: readonly (readonly [fault: string, from: string, to: string])[],
): Mutant[] {
  return list.map(([fault, from, to]) => ({ file, from, to, fault, tests }));
}

/** Faults that `npm run mutants` puts into copies of `src/`, one at a time. */
export const mutants: readonly Mutant[] = [
  ...faults(
    'frame/frame-decoder.ts',
    ['frame/frame-decoder', 'frame/frame-encoder'],
    [
      [
        'the two octets of a length are read in the wrong order',
        '(chunk[at + 2]! << 8) | chunk[at + 3]!',
        '(chunk[at + 3]! << 8) | chunk[at + 2]!',
      ],
      ['a message of the maximum length is refused', 'total > this.maxPayload', 'total >= this.maxPayload'],
      [
        'maxPayload applies to each fragment instead of their sum',
        'total > this.maxPayload',
        'length > this.maxPayload',
      ],
      [
        'the sum of the fragments is not kept',
        'this.messageLength = Math.min(total, Number.MAX_SAFE_INTEGER)',
        'this.messageLength = length',
      ],
      ['a length of 2^53 is accepted', 'this.lengthHigh > 0x1f_ffff', 'this.lengthHigh > 0x3f_ffff'],
      ['a length of 2^53-1 is refused', 'this.lengthHigh > 0x1f_ffff', 'this.lengthHigh >= 0x1f_ffff'],
      [
        'the upper half of a length is dropped',
        'this.#checkLength(this.lengthHigh * 0x1_0000_0000 + this.length)',
        'this.#checkLength(this.length)',
      ],
      [
        'a masking key received octet by octet is shifted',
        '((index - this.lengthEnd) << 3)',
        '((index - this.headerAt) << 3)',
      ],
      [
        'the position in the masking key is lost between chunks',
        'rotateKey(this.key, (this.length - this.remaining) & 3)',
        'rotateKey(this.key, 0)',
      ],
      ['a control frame may have 126 octets', 'length > 125 || (opcode', 'length > 126 || (opcode'],
      ['a close frame may have one octet', '|| (opcode === Opcode.close && length === 1)', ''],
      [
        'a continuation is accepted without a message',
        'this.isFragmented !== (opcode === Opcode.continuation)',
        'this.isFragmented && opcode !== Opcode.continuation',
      ],
      [
        'a new message may begin inside another',
        'this.isFragmented !== (opcode === Opcode.continuation)',
        '!this.isFragmented && opcode === Opcode.continuation',
      ],
      ['RSV3 is not checked', '(first & 0x30) !== 0', '(first & 0x20) !== 0'],
      [
        'RSV1 is allowed on control frames',
        '(!this.allowRsv1 || (opcode !== Opcode.text && opcode !== Opcode.binary))',
        '!this.allowRsv1',
      ],
      ['control frames may be fragmented', "if (!fin) throw new ProtocolError('WS_ERR_EXPECTED_FIN');", ''],
      [
        'a server accepts unmasked frames',
        '    if ((second & 0x80) !== this.maskBit) {',
        '    if ((second & 0x80) > this.maskBit) {',
      ],
      ['control frames count as parts of the message', 'if (this.opcode >= Opcode.close) return;', ''],
      ['fragments are not counted', '      this.fragments++;\n', ''],
      ['the counts are not reset after a message', '      this.messageLength = 0;\n', ''],
    ],
  ),
  ...faults(
    'frame/frame-encoder.ts',
    ['frame/'],
    [
      ['126 octets get the short length', 'payloadLength < 126 ? 2', 'payloadLength <= 126 ? 2'],
      [
        '65 536 octets get two octets of length',
        '  } else if (payloadLength < 65_536) {',
        '  } else if (payloadLength <= 65_536) {',
      ],
      ['the length loses an octet', '    target[offset++] = payloadLength >>> 16;\n', '    target[offset++] = 0;\n'],
    ],
  ),
  ...faults(
    'frame/frame-writer.ts',
    ['frame/'],
    [
      ['a text whose header is longer than guessed is not moved', 'if (header !== guess) {', 'if (header < guess) {'],
      [
        'a slab is released while the kernel may still read it',
        'if (this.slab === null || this.from !== this.to || this.chunks !== null) return;',
        'if (this.slab === null) return;',
      ],
    ],
  ),
  ...faults(
    'frame/mask.ts',
    ['frame/'],
    [
      ['the last octets are masked with the wrong octets of the key', 'shift += 8', 'shift += 16'],
      ['the key is not rotated completely', '(key << (32 - bits))', '(key << (31 - bits))'],
    ],
  ),
  ...faults(
    'frame/close-code.ts',
    ['frame/close-code', 'connection/connection.'],
    [
      ['5000 may be sent', 'code <= 4999', 'code <= 5000'],
      ['1006 may be sent', ' && code !== 1006', ''],
    ],
  ),
  ...faults(
    'message/utf8-validator.ts',
    ['message/'],
    [
      ['surrogates are UTF-8', 'else if (octet === 0xed) this.highest = 0x9f;', ''],
      ['text may end inside a character', 'return this.missing === 0;', 'return this.missing <= 1;'],
    ],
  ),
  ...faults(
    'message/message-decoder.ts',
    ['message/', 'connection/compression'],
    [
      ['memory is allocated for the length in a header', 'Math.min(available * ahead, maxAhead)', 'header.length'],
      [
        'a message that ends inside a character is delivered',
        "    if (this.isChecked && !this.utf8!.isComplete) throw new ProtocolError('WS_ERR_INVALID_UTF8');\n",
        '',
      ],
      [
        'a second message is appended to the first',
        '    this.memory = null;\n    this.used = 0;\n    this.isBegun = false;\n    this.fragmentEnds = null;\n    if (ends',
        '    this.isBegun = false;\n    this.fragmentEnds = null;\n    if (ends',
      ],
    ],
  ),
  ...faults(
    'message/message-decoder.ts',
    ['message/', 'connection/compression'],
    [
      [
        'compressed text is not checked',
        "    if (!isBinary && this.validates && !isUtf8(data)) throw new ProtocolError('WS_ERR_INVALID_UTF8');\n",
        '',
      ],
      [
        'maxPayload applies only to the compressed length',
        'return this.maxPayload === 0 ? Number.POSITIVE_INFINITY : this.maxPayload;',
        'return Number.POSITIVE_INFINITY;',
      ],
      [
        'other connections wait while a chunk is inflated',
        'this.inflatable -= Math.max(inflated, minInflated * this.inflater!.begins);',
        '',
      ],
    ],
  ),
  ...faults(
    'connection/close-payload.ts',
    ['connection/'],
    [
      ['a reason may have 124 octets', 'maxReasonLength = 123', 'maxReasonLength = 124'],
      [
        'the octets of the code are swapped',
        '(octets[start]! << 8) | octets[start + 1]!',
        '(octets[start + 1]! << 8) | octets[start]!',
      ],
      [
        'a reason is not checked',
        "  if (validates && !isUtf8(reason)) throw new ProtocolError('WS_ERR_INVALID_UTF8');\n",
        '',
      ],
    ],
  ),
  ...faults(
    'connection/connection.ts',
    ['connection/', 'transport/backpressure'],
    [
      [
        'every ping of a peer that does not read is answered',
        'if (this.isCongested) {',
        'if (this.isCongested && payload.length < 0) {',
      ],
      [
        'pings are answered after our close frame',
        "this.settings.autoPong && this.#state === 'open'",
        'this.settings.autoPong',
      ],
      [
        'a second close frame is sent',
        "if (this.#state !== 'closeSent') this.writer.write(Opcode.close",
        'this.writer.write(Opcode.close',
      ],
      [
        'encoded frames are sent inside a message',
        "    if (this.isFragmented) throw new Error('A fragmented message is being sent (RFC 6455 §5.4)');\n",
        '',
      ],
      ['data after the end is processed', '    if (!this.isReceiving) return chunk.length;\n', ''],
      [
        'the rest of a chunk is read although the application has paused',
        'return !this.isSuspended && this.isReceiving && !this',
        'return this.isReceiving && !this',
      ],
    ],
  ),
  ...faults(
    'connection/connection-state.ts',
    ['connection/'],
    [
      [
        'a connection is closed before the peer has sent its close frame',
        "open: { closeSent: 'closeSent'",
        "open: { closeSent: 'closed'",
      ],
    ],
  ),
  ...faults(
    'extension/deflate-messages.ts',
    ['extension/'],
    [
      [
        'the limit applies to each final block instead of their sum',
        'raw.end, maxLength - length)',
        'raw.end, maxLength)',
      ],
      [
        'the window of a message that was too long is used for another connection',
        '      if (this.#window === null) raw.reset();\n      else if (message',
        '      if (this.#window === null) message === null || raw.reset();\n      else if (message',
      ],
      ['a message may have any number of final blocks', 'this.begins > maxFinalBlocks', 'this.begins < 0'],
    ],
  ),
  ...faults(
    'extension/deflate-negotiation.ts',
    ['extension/'],
    [
      ['a window of 16 bits is accepted', '1[0-5])$/', '1[0-6])$/'],
      [
        'two responses of a server are accepted',
        "  if (responses.length > 1) throw new NegotiationError('GOODWIRE_REPEATED_RESPONSE');\n",
        '',
      ],
    ],
  ),
  ...faults(
    'handshake/fields.ts',
    ['handshake/'],
    [
      [
        'a line break is accepted in a field',
        'code === del || (code < space && code !== tab)',
        'code === del || (code < 0x0a && code !== tab)',
      ],
      ['a prefix of a token matches in a list', 'return endOfWhitespace(text, end) === to;', 'return true;'],
    ],
  ),
  ...faults(
    'handshake/server-handshake.ts',
    ['handshake/'],
    [
      [
        'a key of 15 octets is accepted',
        "key.length !== keyLength || !key.endsWith('==')",
        "key.length !== keyLength || !key.endsWith('=')",
      ],
      ['every method opens a connection', "  if (request.method !== 'GET') throw refusal('method');\n", ''],
      [
        'inherited properties count as fields of the client',
        'Object.hasOwn(headers, name) ? headers[name] : undefined',
        'headers[name]',
      ],
      [
        'a subprotocol that was not offered is accepted',
        "protocol !== '' && !offer.subprotocols.has(protocol)",
        "protocol !== '' && false",
      ],
      ['the length of a refusal is in characters', 'Buffer.byteLength(body)', 'body.length'],
      ['a chunked body is read as frames', "field(request, 'transfer-encoding') !== undefined || ", ''],
      ['a repeated Host is not noticed', 'return hosts < 2 && ', 'return '],
    ],
  ),
  ...faults(
    'handshake/request-target.ts',
    ['handshake/'],
    [
      ['user information counts as the host', "authority.lastIndexOf('@') + 1", '0'],
      ['a target in asterisk form is accepted', "if (target === '*') return false;", ''],
    ],
  ),
  ...faults(
    'handshake/client-handshake.ts',
    ['handshake/'],
    [
      [
        'every response with status 101 is accepted',
        "field('sec-websocket-accept')?.trim() !== acceptKey(asked.key)",
        "field('sec-websocket-accept') === undefined",
      ],
      [
        'a subprotocol that was not requested is accepted',
        'protocol !== undefined && subprotocols.length === 0',
        'protocol === undefined && subprotocols.length < 0',
      ],
    ],
  ),
  ...faults(
    'handshake/origin.ts',
    ['handshake/'],
    [
      [
        'a port that begins with the default port is removed',
        'authority.endsWith(port) ?',
        'authority.includes(port) ?',
      ],
      [
        'a request without an origin is accepted',
        'if (origin === undefined) return false;',
        'if (origin === undefined) return true;',
      ],
    ],
  ),
  ...faults(
    'client/redirect.ts',
    ['client/'],
    [
      ['credentials are sent from TLS to plain text', ' && (to.isSecure || !home.isSecure)', ''],
      ['cookies are sent to another server', "'cookie', ", ''],
    ],
  ),
  ...faults(
    'client/connect.ts',
    ['client/', 'compat/client-redirect'],
    [
      ['one redirect too many is followed', '++this.#redirects > (this', 'this.#redirects++ > (this'],
      ['a handshake has no timeout', 'if (handshakeTimeout) this.#timer', 'if (!handshakeTimeout) this.#timer'],
    ],
  ),
  ...faults(
    'server/accept-upgrade.ts',
    ['server/'],
    [
      [
        'a truthy value accepts an origin',
        'if (isAllowed === true) verifyClient(attempt);',
        'if (isAllowed) verifyClient(attempt);',
      ],
      [
        'one handshake more than allowed waits',
        'limit > 0 && pending.size >= limit',
        'limit > 0 && pending.size > limit',
      ],
      ['the application is asked about a client that was already refused', '  if (attempt.hasResult) return;\n', ''],
      ['a request is refused a second time', '  if (attempt.hasResult) return false;\n', ''],
      [
        'an error of a socket during its handshake ends the process',
        "if (former === undefined) socket.on('error', onSocketError);",
        '',
      ],
    ],
  ),
  ...faults(
    'server/accept-upgrade.ts',
    ['server/earlier-responses', 'server/http-upgrade'],
    [
      ['an expected 100 is not sent', "offer.expectsContinue ? formatHead(['HTTP/1.1 100 Continue']) : ''", "''"],
      [
        'a response is written before an earlier one if that takes too long',
        'if (attempt.awaitsTurn) abandon(attempt, error);',
        'if (attempt.awaitsTurn) refuse(attempt, error);',
      ],
    ],
  ),
  ...faults(
    'server/earlier-responses.ts',
    ['server/earlier-responses', 'server/http-upgrade'],
    [
      ['the first earlier response counts as the last', 'if (next !== undefined) {', 'if (next === first) {'],
      ['an earlier response that waits for drain never goes on', "    response.emit('drain');\n", ''],
      ['a response has to wait for a drain that has come', '    forgetNeedOfDrain(response);\n', ''],
      ['the response of a framework to the upgrade is awaited', 'req !== request && ', ''],
      ['the response of a framework to a copy of the upgrade is awaited', ' && req.complete', ''],
      ['the response to another upgrade request is awaited', ' && !req.upgrade', ''],
    ],
  ),
  ...faults(
    'server/pending-handshakes.ts',
    ['server/'],
    [
      ['disconnected clients are never removed from the count', '        this.#size--;\n', ''],
      ['handshakes never expire', 'timeout > 0 ? setTimeout', 'timeout < 0 ? setTimeout'],
    ],
  ),
  ...faults(
    'server/unasked-connections.ts',
    ['server/'],
    [
      [
        'the number of idle connections is not limited',
        'if (connections.size <= maxConnections) return;',
        'if (connections.size >= 0) return;',
      ],
      [
        'an open WebSocket counts as a connection without a request',
        "    if (this.#remove(socket)) socket.removeListener('close', this.#forget);\n",
        '',
      ],
      ['a connection without a request is never ended', '    connection.checks++;\n', ''],
      [
        'a server that closes waits for connections that send nothing',
        '    this.#isClosing = true;\n    for',
        '    for',
      ],
      ['a program that answers slowly loses the connection', 'if (isAnswered(socket, connection)) return;\n', ''],
      ['a client need not read our answer', 'if (unreadAnswer(socket) !== undefined) return false;\n', ''],
    ],
  ),
  ...faults(
    'transport/closing.ts',
    ['transport/closing', 'websocket/lifecycle'],
    [
      [
        'a connection whose peer does not close is never ended',
        '    this.#timer = setTimeout(onTimer, delay, this);\n',
        '',
      ],
      [
        'a client ends the stream before the server',
        "doneAsClient: ['waitingForServer', 'waitForServer'],\n    peerEnded: ['bothEnded', 'endOurs'],\n    finished: ['closing'],",
        "doneAsClient: ['oursEnded', 'endOurs'],\n    peerEnded: ['bothEnded', 'endOurs'],\n    finished: ['closing'],",
      ],
    ],
  ),
  ...faults(
    'transport/sending-side.ts',
    ['transport/backpressure', 'transport/write-batching'],
    [
      [
        'a peer that does not read is not detected',
        'stream.writableLength > maxUncongested && stream.writableNeedDrain',
        'stream.writableLength > maxUncongested && false',
      ],
    ],
  ),
  ...faults(
    'transport/transport.ts',
    ['transport/backpressure', 'transport/delivery', 'websocket/lifecycle'],
    [
      [
        'the rest of a chunk is lost after a pause',
        '        this.#undelivered().putBack(chunk.subarray(connection.offset));\n',
        '',
      ],
    ],
  ),
];
