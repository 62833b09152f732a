/** Frame on the wire, unchecked. */
export interface WireFrame {
  /** FIN, RSV and opcode. */
  readonly first: number;
  readonly isMasked: boolean;
  /** Encoding of the length. */
  readonly form: 7 | 16 | 64;
  /** Length in the header. */
  readonly length: bigint;
  readonly key: number;
  /** Unmasked payload; shorter than the length in the header if the octets end earlier. */
  readonly payload: Buffer;
  /** Offset of the frame, and below of the end of its payload, among all octets. */
  readonly start: number;
  readonly end: number;
}

/** Splits octets into frames (§5.2). An incomplete header is returned as the rest. */
export function readWire(octets: Buffer): { frames: WireFrame[]; rest: Buffer } {
  const frames: WireFrame[] = [];
  let at = 0;
  for (;;) {
    const frame = readWireFrame(octets, at);
    if (frame === null) return { frames, rest: octets.subarray(at) };
    frames.push(frame);
    at = frame.end;
  }
}

/** Reads the frame at an offset; null if its header is incomplete. */
function readWireFrame(octets: Buffer, start: number): WireFrame | null {
  const header = readWireHeader(octets, start);
  if (header === null) return null;
  const { headerEnd, length, key } = header;
  const available = octets.length - headerEnd;
  const taken = length > BigInt(available) ? available : Number(length);
  const payload = Buffer.from(octets.subarray(headerEnd, headerEnd + taken));
  xor(payload, key);
  return { ...header, payload, start, end: headerEnd + taken };
}

/** Masks in place (§5.3). */
function xor(payload: Buffer, key: number): void {
  if (key === 0) return;
  const octets = [key & 255, (key >>> 8) & 255, (key >>> 16) & 255, key >>> 24];
  for (let i = 0; i < payload.length; i++) payload[i]! ^= octets[i & 3]!;
}

/** Reads a header; null if it is incomplete. */
function readWireHeader(
  octets: Buffer,
  start: number,
): (Omit<WireFrame, 'payload' | 'start' | 'end'> & { headerEnd: number }) | null {
  if (octets.length - start < 2) return null;
  const second = octets[start + 1]!;
  const isMasked = second >= 128;
  const short = second % 128;
  const form = short < 126 ? 7 : short === 126 ? 16 : 64;
  const lengthEnd = start + 2 + (form === 7 ? 0 : form / 8);
  const headerEnd = lengthEnd + (isMasked ? 4 : 0);
  if (octets.length < headerEnd) return null;
  let length = form === 7 ? BigInt(short) : 0n;
  for (let i = start + 2; i < lengthEnd; i++) length = length * 256n + BigInt(octets[i]!);
  return {
    first: octets[start]!,
    isMasked,
    form,
    length,
    key: isMasked ? octets.readUInt32LE(lengthEnd) : 0,
    headerEnd,
  };
}

/** Encodes a frame with the given fields, valid or not. */
export function writeWire({ first, isMasked, form, length, key, payload }: Omit<WireFrame, 'start' | 'end'>): Buffer {
  const mask = isMasked ? 128 : 0;
  const header = Buffer.alloc(2 + (form === 7 ? 0 : form / 8) + (isMasked ? 4 : 0));
  header[0] = first;
  if (form === 7) {
    header[1] = mask | Number(length & 127n);
  } else if (form === 16) {
    header[1] = mask | 126;
    header.writeUInt16BE(Number(length & 0xffffn), 2);
  } else {
    header[1] = mask | 127;
    header.writeBigUInt64BE(BigInt.asUintN(64, length), 2);
  }
  if (isMasked) header.writeUInt32LE(key >>> 0, header.length - 4);
  const masked = Buffer.from(payload);
  if (isMasked) xor(masked, key);
  return Buffer.concat([header, masked]);
}

/** Returns a frame with the shortest valid header for its payload. */
export function soundFrame(first: number, payload: Buffer, key: number | null): Omit<WireFrame, 'start' | 'end'> {
  const { length } = payload;
  const form = length < 126 ? 7 : length < 65_536 ? 16 : 64;
  return { first, isMasked: key !== null, form, length: BigInt(length), key: key ?? 0, payload };
}

/** Rules of an endpoint for incoming frames. */
export interface Rules {
  readonly role: 'client' | 'server';
  /** 0 is unlimited. */
  readonly maxPayload: number;
  /** 0 is unlimited. */
  readonly maxFragments: number;
  readonly allowRsv1: boolean;
}

/** Expected result for octets: the complete frames, and the first violation. */
export interface Reading {
  readonly frames: readonly WireFrame[];
  /** Last frame, with a valid header and an incomplete payload. */
  readonly begun: WireFrame | null;
  readonly error: string | null;
}

/**
 * Applies the rules for frames (§5.1–5.5) one after the other, with all octets available. Too slow for a decoder; the
 * decoders are compared with it.
 */
export function readFrames(octets: Buffer, rules: Rules): Reading {
  const frames: WireFrame[] = [];
  let isInMessage = false;
  let total = 0n;
  let count = 0;
  let at = 0;
  for (;;) {
    const first = octets[at];
    const second = octets[at + 1];
    const stop = (error: string | null): Reading => ({ frames, begun: null, error });
    if (first === undefined || second === undefined) return stop(null);
    const [fin, rsv1, rsv2, rsv3] = [128, 64, 32, 16].map((bit) => (first & bit) !== 0);
    const opcode = first % 16;
    const isControl = opcode >= 8;
    const isKnown = [0, 1, 2, 8, 9, 10].includes(opcode);
    const short = second % 128;

    if (rsv2 || rsv3) return stop('WS_ERR_UNEXPECTED_RSV_2_3');
    if (rsv1 && !rules.allowRsv1) return stop('WS_ERR_UNEXPECTED_RSV_1');
    if (!isKnown) return stop('WS_ERR_INVALID_OPCODE');
    if (rsv1 && (isControl || opcode === 0)) return stop('WS_ERR_UNEXPECTED_RSV_1');
    if (isControl && !fin) return stop('WS_ERR_EXPECTED_FIN');
    if (isControl && short > 125) return stop('WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH');
    if (opcode === 8 && short === 1) return stop('WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH');
    if (opcode === 0 && !isInMessage) return stop('WS_ERR_INVALID_OPCODE');
    if (!isControl && opcode !== 0 && isInMessage) return stop('WS_ERR_INVALID_OPCODE');
    if (rules.role === 'server' && second < 128) return stop('WS_ERR_EXPECTED_MASK');
    if (rules.role === 'client' && second >= 128) return stop('WS_ERR_UNEXPECTED_MASK');

    // The limits apply as soon as the length is complete, even before the masking key.
    const lengthOctets = short < 126 ? 0 : short === 126 ? 2 : 8;
    const lengthEnd = at + 2 + lengthOctets;
    let length = lengthOctets === 0 ? BigInt(short) : 0n;
    for (let i = at + 2; i < lengthEnd; i++) {
      const octet = octets[i];
      if (octet === undefined) return stop(null);
      length = length * 256n + BigInt(octet);
      // The upper half of the length counts before the rest has arrived.
      if (i <= at + 5 && lengthOctets === 8 && length >= 2n ** 21n)
        return stop('WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH');
    }
    if (!isControl) {
      if (rules.maxPayload > 0 && total + length > BigInt(rules.maxPayload))
        return stop('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
      if (rules.maxFragments > 0 && !(fin && !isInMessage) && count >= rules.maxFragments)
        return stop('WS_ERR_TOO_MANY_BUFFERED_PARTS');
      total = fin ? 0n : total + length;
      count = fin ? 0 : count + 1;
      isInMessage = !fin;
    }
    const frame = readWireFrame(octets, at);
    if (frame === null) return stop(null);
    if (BigInt(frame.payload.length) < length) return { frames, begun: frame, error: null };
    frames.push(frame);
    at = frame.end;
  }
}
