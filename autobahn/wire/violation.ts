/** The peer broke the protocol towards us. The message says how, with the section; `closeCode` is what it is told. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly closeCode: number;

  constructor(message: string, closeCode = 1002) {
    super(message);
    this.closeCode = closeCode;
  }
}
