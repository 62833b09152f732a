/** Uncaught errors of this process: exceptions, and the number of unhandled rejections, which must be 0. */
export interface Uncaught extends Disposable {
  readonly exceptions: Error[];
  readonly rejections: unknown[];
}

/**
 * Collects exceptions thrown by an application's listeners until disposed of. Otherwise they would end the process or
 * the test run.
 */
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
