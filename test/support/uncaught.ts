/** The errors of this process that nobody has caught: exceptions, and rejected promises whose number must be none. */
export interface Uncaught extends Disposable {
  readonly exceptions: Error[];
  readonly rejections: unknown[];
}

/** Takes the exceptions that listeners of an application throw, which would end the process (or the test run), until it is disposed. */
export function captureUncaught(): Uncaught {
  const exceptions: Error[] = [];
  const rejections: unknown[] = [];
  const rejected = (reason: unknown) => {
    rejections.push(reason);
  };
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', rejected);
  process.setUncaughtExceptionCaptureCallback((error) => {
    exceptions.push(error);
  });
  return {
    exceptions,
    rejections,
    [Symbol.dispose]() {
      process.setUncaughtExceptionCaptureCallback(null);
      process.removeListener('unhandledRejection', rejected);
      for (const other of others) process.on('unhandledRejection', other);
    },
  };
}
