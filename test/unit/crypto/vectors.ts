import { readFileSync } from "node:fs";
import { resolve } from "node:path";

/** Published vectors, each block naming its source. */
export interface SmbVectors {
  readonly md4: { readonly cases: readonly (readonly [text: string, digest: string])[] };
  readonly ntlmv2: Record<NtlmV2Field, string>;
  readonly cmac: { readonly key: string; readonly message64: string; readonly tags: Record<string, string> };
  readonly kdf30: Record<
    "sessionKey" | "signing" | "clientEncrypt" | "clientDecrypt" | "application",
    string
  >;
  readonly smb311: Record<Smb311Field, string> & { readonly preauthAfter: Record<string, string> };
  readonly transform30ccm: Record<TransformField, string>;
  readonly transform311gcm: Record<TransformField | "preauth", string>;
  readonly gmac: { readonly key: string } & Record<
    "echoRequest" | "echoResponse" | "cancelRequest",
    readonly [message: string, nonce: string, tag: string]
  >;
  readonly spnego: { readonly samba417_negTokenInit2: string };
}

type NtlmV2Field =
  | "user"
  | "domain"
  | "password"
  | "serverChallenge"
  | "clientChallenge"
  | "time"
  | "targetInfo"
  | "NTOWFv1"
  | "NTOWFv2"
  | "temp"
  | "NTProofStr"
  | "LMv2"
  | "SessionBaseKey"
  | "RandomSessionKey"
  | "EncryptedRandomSessionKey"
  | "clientSignKey"
  | "clientSealKey";

type Smb311Field =
  | "negotiateRequest"
  | "negotiateResponse"
  | "sessionSetupRequest1"
  | "sessionSetupResponse1"
  | "sessionSetupRequest2"
  | "finalSessionSetupResponse"
  | "sessionKey"
  | "signingKey"
  | "clientEncrypt128"
  | "clientDecrypt128"
  | "application"
  | "clientEncrypt256_computed"
  | "clientDecrypt256_computed"
  | "ntlmMic"
  | "mechTypeList"
  | "mechListMicClient"
  | "mechListMicServer"
  | "finalSignatureCmac";

type TransformField =
  | "sessionKey"
  | "clientEncrypt"
  | "clientDecrypt"
  | "request"
  | "requestPlain"
  | "response"
  | "responsePlain";

export const vectors: SmbVectors = JSON.parse(
  readFileSync(resolve(import.meta.dirname, "../../fixtures/smb-vectors.json"), "utf8"),
) as SmbVectors;

/** A plain Uint8Array, so that no test leans on what only Buffer can do. */
export function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

export function hex(data: Uint8Array): string {
  return Buffer.from(data).toString("hex");
}
