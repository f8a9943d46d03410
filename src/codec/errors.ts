import { Smb2NatsError } from "../base/errors.ts";

/** Bytes that are not what they claim to be. `field` is the specification's name for what was being read. */
export class DecodeError extends Smb2NatsError {
  readonly field: string;
  /** Offset from the start of the message or buffer being decoded. */
  readonly position: number;

  constructor(field: string, position: number, problem: string) {
    super("SMB_MALFORMED", "malformed", `${field} at ${position}: ${problem}`);
    this.field = field;
    this.position = position;
  }
}

/** A value that the wire format cannot carry. Our own mistake, or a caller's. */
export class EncodeError extends Smb2NatsError {
  constructor(field: string, problem: string) {
    super("SMB_UNENCODABLE", "misuse", `${field}: ${problem}`);
  }
}
