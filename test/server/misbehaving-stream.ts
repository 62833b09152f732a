import { Duplex, type DuplexOptions } from 'node:stream';

/** Stream in memory whose methods a test replaces by misbehaving ones. */
export class MisbehavingStream extends Duplex {
  /** All written data. */
  written = '';
  /** Resolves when the stream is destroyed, regardless of its events and properties. */
  readonly whenDestroyed: Promise<void>;
  #resolve!: () => void;

  constructor(options: DuplexOptions = {}) {
    super(options);
    this.whenDestroyed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  override _read(): void {}

  override _write(chunk: Buffer | string, _encoding: string, done: (error?: Error) => void): void {
    this.written += String(chunk);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#resolve();
    done(error);
  }

  /** Number of HTTP responses written. */
  get responses(): number {
    return this.written.split('HTTP/1.1 ').length - 1;
  }
}

const fail = (): never => {
  throw new Error('the stream misbehaves');
};

/** Replaces a method or property of one stream. */
function replace(stream: Duplex, name: string, descriptor: PropertyDescriptor): void {
  Object.defineProperty(stream, name, { configurable: true, ...descriptor });
}

const throwing = (name: string) => (stream: Duplex) => replace(stream, name, { value: fail });
const throwingGetter = (name: string) => (stream: Duplex) => replace(stream, name, { get: fail });

/** Calls `first` before the method with this name. */
function before(name: 'end' | 'write' | '_write', first: (stream: Duplex) => void) {
  return (stream: Duplex) => {
    const method = stream[name] as (...args: unknown[]) => unknown;
    const value = (...args: unknown[]) => {
      first(stream);
      return method.apply(stream, args);
    };
    replace(stream, name, { value });
  };
}

/** Makes a stream refuse listeners for an event. */
export function refusing(event: string) {
  return (stream: Duplex) => {
    for (const name of ['on', 'once', 'addListener'] as const) {
      const method = stream[name] as (...args: unknown[]) => unknown;
      const value = (...args: unknown[]) => (args[0] === event ? fail() : method.apply(stream, args));
      replace(stream, name, { value });
    }
  };
}

/** Misbehaviors, each as a function that changes a correct stream. */
export const misbehaviours: Readonly<Record<string, (stream: MisbehavingStream) => void>> = {
  'has an end() that throws': throwing('end'),
  'has an end() that throws behind what it has written': (stream) =>
    replace(stream, 'end', {
      value: (chunk: string) => {
        stream.write(chunk);
        fail();
      },
    }),
  'has a write() that throws': throwing('write'),
  'has a _write() that throws': throwing('_write'),
  'has a _write() that never calls back': (stream) => replace(stream, '_write', { value: () => {} }),
  'has a _write() that fails': (stream) =>
    replace(stream, '_write', {
      value: (_chunk: unknown, _encoding: string, done: (error: Error) => void) => done(new Error('EPIPE')),
    }),
  'has a _final() that never calls back': (stream) => replace(stream, '_final', { value: () => {} }),
  'has a _final() that throws': throwing('_final'),
  'takes no listener for "finish"': refusing('finish'),
  'takes no listener for "close"': refusing('close'),
  'takes no listener for "error"': refusing('error'),
  'gives no listener back': throwing('removeListener'),
  'is frozen': (stream) => void Object.freeze(stream),
  'has a destroy() that throws': throwing('destroy'),
  'has a destroy() that has no effect': (stream) => replace(stream, 'destroy', { value: () => stream }),
  'has a destroy() that has no effect at first': (stream) =>
    replace(stream, 'destroy', {
      value: () => {
        Reflect.deleteProperty(stream, 'destroy');
        return stream;
      },
    }),
  'emits "error" within end()': before('end', (stream) => stream.emit('error', new Error('EPIPE'))),
  'emits "error" within write()': before('_write', (stream) => stream.emit('error', new Error('EPIPE'))),
  'emits "close" within end(), and is not closed': before('end', (stream) => stream.emit('close')),
  'emits "close" within write(), and is not closed': before('_write', (stream) => stream.emit('close')),
  'emits "finish" twice within end()': before('end', (stream) => stream.emit('finish') && stream.emit('finish')),
  'is destroyed within end()': before('end', (stream) => void stream.destroy()),
  'is destroyed within write()': before('_write', (stream) => void stream.destroy()),
  'has a resume() that throws': throwing('resume'),
  'has a property "destroyed" that throws': throwingGetter('destroyed'),
  'has a property "readable" that throws': throwingGetter('readable'),
  'has a property "writable" that throws': throwingGetter('writable'),
  'is destroyed already': (stream) => void stream.destroy(),
  'has ended its writing already': (stream) => void stream.end(),
  'is not readable': (stream) => replace(stream, 'readable', { value: false }),
  'decodes what it reads': (stream) => void stream.setEncoding('utf8'),
  'behaves well': () => {},
};
