import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { bytes } from "../../unit/crypto/vectors.ts";

export { bytes, hex, vectors } from "../../unit/crypto/vectors.ts";

function fixture(name: string): unknown {
  return JSON.parse(readFileSync(resolve(import.meta.dirname, "../../fixtures", name), "utf8"));
}

/** Bodies of CHANGE_NOTIFY messages as other projects and our own probes recorded them; `samba417_interim` is whole. */
export const notifyVectors: Readonly<
  Record<
    | "request_smbrs"
    | "response_rename_pair_smbrs"
    | "response_azure_smbrs"
    | "samba417_interim"
    | "samba417_final_body"
    | "samba417_enum_dir_body",
    string
  >
> = (fixture("smb-vectors.json") as { notify: typeof notifyVectors }).notify;

/** Messages that Samba's own client and server exchanged. */
export const capture: {
  readonly source: string;
  readonly messages: Readonly<
    Record<
      | "negotiateRequest"
      | "negotiateResponse"
      | "treeConnectRequest"
      | "treeConnectResponse"
      | "validateNegotiateRequest"
      | "validateNegotiateResponse"
      | "dfsReferralRequest"
      | "dfsReferralError"
      | "treeDisconnectRequest"
      | "treeDisconnectResponse"
      | "createRequest"
      | "createRootRequest"
      | "createResponse"
      | "queryDirectoryRequest"
      | "queryDirectoryResponse"
      | "noMoreFiles"
      | "queryInfoRequest"
      | "queryInfoResponse"
      | "closeRequest"
      | "closeResponse"
      | "changeNotifyRequest"
      | "changeNotifyInterim"
      | "changeNotifyResponse",
      string
    >
  >;
} = fixture("smbclient-capture.json") as typeof capture;

/** A header of zeros in front of a body, for vectors that were recorded without one. */
export function behindHeader(body: Uint8Array | string): Uint8Array {
  const tail = typeof body === "string" ? bytes(body) : body;
  const message = new Uint8Array(64 + tail.length);
  message.set(bytes("fe534d4240000000"));
  message.set(tail, 64);
  return message;
}
