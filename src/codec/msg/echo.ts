import { decodeEmptyBody, encodeEmptyBody } from "./empty-body.ts";

/** MS-SMB2 2.2.28 and 2.2.29: SMB2 ECHO. */

export function encodeEchoRequest(): Uint8Array {
  return encodeEmptyBody();
}

export function decodeEchoRequest(message: Uint8Array): void {
  decodeEmptyBody(message, "ECHO request");
}

export function encodeEchoResponse(): Uint8Array {
  return encodeEmptyBody();
}

export function decodeEchoResponse(message: Uint8Array): void {
  decodeEmptyBody(message, "ECHO response");
}
