/** A frame as the wire has it, with nothing checked. */
export interface WireFrame {
  /** FIN, RSV and opcode. */
  readonly first: number;
  readonly isMasked: boolean;
  /** Which encoding of the length was used. */
  readonly form: 7 | 16 | 64;
  /** What the header says. */
  readonly length: bigint;
  readonly key: number;
  /** Unmasked; shorter than the header says where the octets end before. */
  readonly payload: Buffer;
  /** Where the frame begins, and where its payload is complete, among all octets. */
  readonly start: number;
  readonly end: number;
}

/** Octets, taken apart as §5.2 draws a frame; what does not make a header is the rest. */
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

/** The frame that begins at an offset; null if its header has not come as a whole. */
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

/** Masking in place (§5.3). */
function xor(payload: Buffer, key: number): void {
  if (key === 0) return;
  const octets = [key & 255, (key >>> 8) & 255, (key >>> 16) & 255, key >>> 24];
  for (let i = 0; i < payload.length; i++) payload[i]! ^= octets[i & 3]!;
}

/** What a header says, once all of it is there. */
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

/** The octets of a frame as told, whether they make sense or not. */
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

/** A frame with the shortest header that says how long its payload is. */
export function soundFrame(first: number, payload: Buffer, key: number | null): Omit<WireFrame, 'start' | 'end'> {
  const { length } = payload;
  const form = length < 126 ? 7 : length < 65_536 ? 16 : 64;
  return { first, isMasked: key !== null, form, length: BigInt(length), key: key ?? 0, payload };
}

/** What an endpoint accepts. */
export interface Rules {
  readonly role: 'client' | 'server';
  /** 0 is no limit. */
  readonly maxPayload: number;
  /** 0 is no limit. */
  readonly maxFragments: number;
  readonly allowRsv1: boolean;
}

/** What is to be made of octets: the frames that are whole, and the first rule that is broken. */
export interface Reading {
  readonly frames: readonly WireFrame[];
  /** The last frame, whose payload has not come as a whole; its header is good. */
  readonly begun: WireFrame | null;
  readonly error: string | null;
}

/**
 * The rules for frames (§5.1–5.5) one after the other, with everything that has come in hand, as nobody would write a decoder: what the
 * decoders are held against.
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

    // The limits hold as soon as the length is there; the masking key may still be on its way.
    const lengthOctets = short < 126 ? 0 : short === 126 ? 2 : 8;
    const lengthEnd = at + 2 + lengthOctets;
    let length = lengthOctets === 0 ? BigInt(short) : 0n;
    for (let i = at + 2; i < lengthEnd; i++) {
      const octet = octets[i];
      if (octet === undefined) return stop(null);
      length = length * 256n + BigInt(octet);
      // What its upper half says counts as soon as it does, before the rest has come.
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
