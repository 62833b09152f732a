/**
 * Error for a peer that broke the protocol. The message names the violation and its section; `closeCode` is sent to the
 * peer.
 */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly closeCode: number;

  constructor(message: string, closeCode = 1002) {
    super(message);
    this.closeCode = closeCode;
  }
}
