import { bytes, vectors } from "../crypto/vectors.ts";

/** The security buffer whose offset and length stand at `at` of an SMB message. */
function securityBuffer(message: string, at: number): Uint8Array {
  const data = bytes(message);
  const view = new DataView(data.buffer);
  const offset = view.getUint16(at, true);
  return data.slice(offset, offset + view.getUint16(at + 2, true));
}

type PublishedToken = "windowsHint" | "init" | "challenge" | "authenticate" | "final";

/** The SPNEGO tokens inside the published 3.1.1 exchange. */
export const published: Readonly<Record<PublishedToken, Uint8Array>> = {
  /** NEGOTIATE response: SecurityBufferOffset at 64 + 56. */
  windowsHint: securityBuffer(vectors.smb311.negotiateResponse, 120),
  /** SESSION_SETUP requests: SecurityBufferOffset at 64 + 12; responses: 64 + 4. */
  init: securityBuffer(vectors.smb311.sessionSetupRequest1, 76),
  challenge: securityBuffer(vectors.smb311.sessionSetupResponse1, 68),
  authenticate: securityBuffer(vectors.smb311.sessionSetupRequest2, 76),
  final: securityBuffer(vectors.smb311.finalSessionSetupResponse, 68),
};
