import { decodeEmptyBody, encodeEmptyBody } from "./empty-body.ts";

/** MS-SMB2 2.2.7 and 2.2.8: SMB2 LOGOFF. */

export function encodeLogoffRequest(): Uint8Array {
  return encodeEmptyBody();
}

export function decodeLogoffRequest(message: Uint8Array): void {
  decodeEmptyBody(message, "LOGOFF request");
}

export function encodeLogoffResponse(): Uint8Array {
  return encodeEmptyBody();
}

export function decodeLogoffResponse(message: Uint8Array): void {
  decodeEmptyBody(message, "LOGOFF response");
}
