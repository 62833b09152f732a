import { Duplex } from 'node:stream';

/** Stream in memory that records the written data as text and as octets. */
export class MemoryStream extends Duplex {
  written = '';
  readonly #chunks: Buffer[] = [];
  /** True if the reader is so slow that writes never complete. */
  isStuck = false;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.isStuck) return;
    this.written += chunk.toString();
    this.#chunks.push(Buffer.from(chunk));
    done();
  }

  octets(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

/** Stream in memory that records the written chunks. */
export class ChunkStream extends Duplex {
  readonly written: Buffer[] = [];
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error) => void): void {
    this.written.push(Buffer.from(chunk));
    callback();
  }
}
