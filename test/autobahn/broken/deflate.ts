import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib';

const tail = Buffer.from('0000ffff', 'hex');

/** Deflates messages one after the other (RFC 7692 §7.2.1). */
export class Deflater {
  readonly #stream: DeflateRaw;
  readonly #keepsContext: boolean;

  constructor(windowBits: number, keepsContext: boolean) {
    this.#stream = createDeflateRaw({ windowBits: Math.max(windowBits, 9) });
    this.#keepsContext = keepsContext;
  }

  async deflate(message: Buffer): Promise<Buffer> {
    const deflated = await pass(this.#stream, [message]);
    if (!this.#keepsContext) this.#stream.reset();
    return deflated.subarray(0, -tail.length);
  }

  close(): void {
    this.#stream.close();
  }
}

/** Inflates messages one after the other (RFC 7692 §7.2.2). */
export class Inflater {
  readonly #stream: InflateRaw = createInflateRaw();
  readonly #keepsContext: boolean;

  constructor(keepsContext: boolean) {
    this.#keepsContext = keepsContext;
  }

  /** Rejects if the octets are not deflated data. */
  async inflate(message: Buffer): Promise<Buffer> {
    const inflated = await pass(this.#stream, [message, tail]);
    if (!this.#keepsContext) this.#stream.reset();
    return inflated;
  }

  close(): void {
    this.#stream.close();
  }
}

function pass(stream: DeflateRaw | InflateRaw, input: readonly Buffer[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const output: Buffer[] = [];
    const take = (chunk: Buffer) => output.push(chunk);
    stream.on('data', take).once('error', reject);
    for (const octets of input) stream.write(octets);
    stream.flush(constants.Z_SYNC_FLUSH, () => {
      stream.off('data', take).off('error', reject);
      resolve(Buffer.concat(output));
    });
  });
}
