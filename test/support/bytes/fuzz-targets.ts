import { type AvPair, decodeAvPairs, encodeAvPairs } from "../../../src/auth/av-pairs.ts";
import { DerReader, oidFromDer } from "../../../src/auth/der.ts";
import { AuthError } from "../../../src/auth/errors.ts";
import {
  decodeAuthenticate,
  decodeChallenge,
  decodeNegotiate,
  fromUtf16,
} from "../../../src/auth/ntlm-messages.ts";
import { decodeNtlmV2Response } from "../../../src/auth/ntlmv2.ts";
import { decodeNegTokenInit, decodeNegTokenResp } from "../../../src/auth/spnego.ts";
import { joinCompound, splitCompound } from "../../../src/codec/compound.ts";
import { DecodeError } from "../../../src/codec/errors.ts";
import { FrameSplitter, frame } from "../../../src/codec/frame.ts";
import { decodeHeader, encodeHeader } from "../../../src/codec/header.ts";
import { decodeDfsReferralResponse } from "../../../src/codec/msg/dfs-referral.ts";
import {
  DirectoryClass,
  type DirectoryClassId,
  decodeDirectoryInformation,
  encodeDirectoryInformation,
} from "../../../src/codec/msg/directory-information.ts";
import { decodeEmptyBody } from "../../../src/codec/msg/empty-body.ts";
import {
  decodeFileAllInformation,
  decodeFileBasicInformation,
  decodeFileInternalInformation,
  decodeFileNetworkOpenInformation,
  decodeFileStandardInformation,
  encodeFileAllInformation,
  encodeFileBasicInformation,
  encodeFileInternalInformation,
  encodeFileNetworkOpenInformation,
  encodeFileStandardInformation,
} from "../../../src/codec/msg/file-information.ts";
import {
  decodeFileNotifyInformation,
  encodeFileNotifyInformation,
} from "../../../src/codec/msg/file-notify-information.ts";
import { decodeLeaseContext, encodeLeaseContext } from "../../../src/codec/msg/lease.ts";
import { decodeContexts } from "../../../src/codec/msg/negotiate-contexts.ts";
import { decodeOutputBuffer } from "../../../src/codec/msg/output-buffer.ts";
import {
  decodeValidateNegotiateInfoRequest,
  decodeValidateNegotiateInfoResponse,
  encodeValidateNegotiateInfoRequest,
  encodeValidateNegotiateInfoResponse,
} from "../../../src/codec/msg/validate-negotiate-info.ts";
import { isUsableName } from "../../../src/codec/names.ts";
import { decodeUtf16 } from "../../../src/codec/reader.ts";
import { decodeTransform, encodeTransform } from "../../../src/codec/transform.ts";
import { published } from "../../unit/auth/tokens.ts";
import { bytes, capture, hex, notifyVectors, vectors } from "./smb-fixtures.ts";
import { reread, rows, samples } from "./smb-rows.ts";

/** One reader of bytes that a peer may have made up. */
export interface FuzzTarget {
  readonly name: string;
  /** Names of the exports it goes through, so that a test can find what no target covers. */
  readonly covers: readonly string[];
  /** Well-formed inputs, from which mutations start. */
  readonly seeds: readonly Uint8Array[];
  /** The only error that `run` may throw; anything else is a finding. */
  readonly allowed: abstract new (
    ...args: never[]
  ) => Error;
  /** Reads the input, and checks what must hold of whatever was read. */
  readonly run: (input: Uint8Array) => void;
}

function codec(
  covers: string | readonly string[],
  seeds: readonly Uint8Array[],
  run: (input: Uint8Array) => void,
  name?: string,
): FuzzTarget {
  const names = typeof covers === "string" ? [covers] : covers;
  return { name: name ?? names.join(", "), covers: names, seeds, allowed: DecodeError, run };
}

function auth(covers: string, seeds: readonly Uint8Array[], run: (input: Uint8Array) => void): FuzzTarget {
  return { name: covers, covers: [covers], seeds, allowed: AuthError, run };
}

function insist(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

// Messages ------------------------------------------------------------------------------------------------

/** One target for each decoder of a message, with every row and sample that it reads. */
function messageTargets(): FuzzTarget[] {
  const targets = new Map<unknown, FuzzTarget>();
  for (const { decode, reread: run } of samples) {
    const seeds = [...samples, ...rows].filter((one) => one.decode === decode).map(({ message }) => message);
    targets.set(decode, codec(decode.name, seeds, run));
  }
  return [...targets.values()];
}

const messages = [...samples, ...rows].map(({ message }) => message);
const compound = Uint8Array.from(Buffer.concat(joinCompound(messages.slice(0, 5))));
const sealed = [vectors.transform30ccm, vectors.transform311gcm].flatMap(({ request, response }) => [
  bytes(request),
  bytes(response),
]);

function rereadHeader(input: Uint8Array): void {
  reread(decodeHeader, encodeHeader, input);
}

function resplit(input: Uint8Array): void {
  const parts = splitCompound(input);
  insist(hex(Buffer.concat(parts)) === hex(input), "the parts are not the whole");
}

/** Whatever the cuts, the same messages or the same refusal. */
function reassemble(input: Uint8Array): void {
  const whole = new FrameSplitter();
  const expected = outcome(() => whole.push(input));
  const cut = new FrameSplitter();
  // Small steps, but not tens of thousands of them.
  const step = 1 + (input.length % 7) + (input.length >> 10);
  const found: Uint8Array[] = [];
  const actual = outcome(() => {
    for (let at = 0; at < input.length; at += step) found.push(...cut.push(input.slice(at, at + step)));
    return found;
  });
  insist(expected.error?.message === actual.error?.message, "refused by one cut, taken by another");
  if (expected.error !== undefined) throw expected.error;
  insist(expected.messages.join("|") === actual.messages.join("|"), "other messages by other cuts");
  insist(whole.buffered === cut.buffered && whole.buffered <= input.length, "other rest by other cuts");
}

function outcome(push: () => Uint8Array[]): { messages: string[]; error?: DecodeError } {
  try {
    return { messages: push().map(hex) };
  } catch (error) {
    if (error instanceof DecodeError) return { messages: [], error };
    throw error;
  }
}

function retransform(input: Uint8Array): void {
  const transform = decodeTransform(input);
  const again = Buffer.concat([encodeTransform(transform), transform.ciphertext]);
  // Reserved bytes are not kept.
  again.set(input.subarray(40, 42), 40);
  insist(hex(again) === hex(input), "the transform header is written otherwise");
}

/** The way of a frame from the socket to the message, as far as it goes without keys. */
function receive(input: Uint8Array): void {
  for (const message of new FrameSplitter().push(input)) {
    if (message[0] === 0xfd) decodeTransform(message);
    else for (const part of splitCompound(message)) decodeHeader(part);
  }
}

// Buffers inside messages ---------------------------------------------------------------------------------

const notifications = [
  ...[notifyVectors.response_azure_smbrs, notifyVectors.response_rename_pair_smbrs].map((body) =>
    bytes(body).slice(8),
  ),
  encodeFileNotifyInformation([
    { action: 1, fileName: "photos\\née.txt" },
    { action: 8, fileName: "file:stream:$DATA" },
    { action: 2, fileName: "\ud800" },
  ]),
];

function renotify(input: Uint8Array): void {
  const { records } = decodeFileNotifyInformation(input);
  for (const { fileName } of records) {
    insist(fileName.split("\\").every(isUsableName), "a name that is no path");
  }
  reread((buffer) => decodeFileNotifyInformation(buffer).records, encodeFileNotifyInformation, input);
}

const listing = bytes(capture.messages.queryDirectoryResponse).slice(72);

function directoryTarget(name: string, informationClass: DirectoryClassId): FuzzTarget {
  const entries = decodeDirectoryInformation(listing, DirectoryClass.ID_BOTH);
  const decode = (buffer: Uint8Array) => decodeDirectoryInformation(buffer, informationClass);
  const encode = (list: typeof entries): Uint8Array => encodeDirectoryInformation(list, informationClass);
  const run = (input: Uint8Array): void => {
    const units = decode(input).reduce((sum, { fileName }) => sum + fileName.length, 0);
    insist(units * 2 <= input.length, "more names than bytes");
    reread(decode, encode, input);
  };
  return codec(
    "decodeDirectoryInformation",
    [encode(entries), listing],
    run,
    `decodeDirectoryInformation ${name}`,
  );
}

const referral = bytes(
  "1a000200020000000400220000000400580200002200220036000000000000000000000000000000000003002200000000000a000000" +
    "2200220032000000000000000000000000000000000000005c006400000000005c00610000005c00620000000000",
);
const fileAll = bytes(capture.messages.queryInfoResponse).slice(72);

const buffers: readonly FuzzTarget[] = [
  codec("decodeFileNotifyInformation", notifications, renotify),
  directoryTarget("ID_BOTH", DirectoryClass.ID_BOTH),
  directoryTarget("ID_FULL", DirectoryClass.ID_FULL),
  directoryTarget("ID_EXTD", DirectoryClass.ID_EXTD),
  codec("decodeFileBasicInformation", [fileAll], (input) =>
    reread(decodeFileBasicInformation, encodeFileBasicInformation, input),
  ),
  codec("decodeFileStandardInformation", [fileAll.slice(40)], (input) =>
    reread(decodeFileStandardInformation, encodeFileStandardInformation, input),
  ),
  codec("decodeFileAllInformation", [fileAll], (input) =>
    reread(decodeFileAllInformation, encodeFileAllInformation, input),
  ),
  codec("decodeFileInternalInformation", [fileAll.slice(64)], (input) =>
    reread(decodeFileInternalInformation, encodeFileInternalInformation, input),
  ),
  codec("decodeFileNetworkOpenInformation", [fileAll], (input) =>
    reread(decodeFileNetworkOpenInformation, encodeFileNetworkOpenInformation, input),
  ),
  codec(
    "decodeValidateNegotiateInfoRequest",
    [bytes(capture.messages.validateNegotiateRequest).slice(120)],
    (input) => reread(decodeValidateNegotiateInfoRequest, encodeValidateNegotiateInfoRequest, input),
  ),
  codec(
    "decodeValidateNegotiateInfoResponse",
    [bytes(capture.messages.validateNegotiateResponse).slice(112)],
    (input) => reread(decodeValidateNegotiateInfoResponse, encodeValidateNegotiateInfoResponse, input),
  ),
  codec("decodeDfsReferralResponse", [referral], (input) => {
    decodeDfsReferralResponse(input);
  }),
  codec("decodeContexts", [bytes(vectors.smb311.negotiateResponse).slice(448)], (input) => {
    decodeContexts(input, 0, 1 + (input.length % 3), 0);
  }),
  codec(
    "decodeLeaseContext",
    [encodeLeaseContext({ key: new Uint8Array(16).fill(7), state: 3 })],
    (input) => {
      insist(decodeLeaseContext(input)?.key.length !== 0, "a lease without a key");
    },
  ),
  codec("decodeOutputBuffer", messages, (input) => {
    insist(decodeOutputBuffer(input, "response").length <= input.length, "a buffer longer than its message");
  }),
  codec("decodeEmptyBody", messages, (input) => decodeEmptyBody(input, "response")),
  codec("decodeUtf16", [fileAll.slice(100)], (input) => {
    insist(decodeUtf16(input, "text").length * 2 === input.length, "units are lost");
  }),
];

// Authentication ------------------------------------------------------------------------------------------

const tokens = [...Object.values(published), bytes(vectors.spnego.samba417_negTokenInit2)];
const challenge = decodeNegTokenResp(published.challenge).responseToken ?? new Uint8Array();
const authenticate = decodeNegTokenResp(published.authenticate).responseToken ?? new Uint8Array();
const negotiate = decodeNegTokenInit(published.init).mechToken ?? new Uint8Array();
const targetInfo = decodeChallenge(challenge).targetInfo ?? new Uint8Array();

/** Enters whatever can be entered: every element of any depth. */
function walkDer(reader: DerReader): void {
  while (!reader.done) {
    const element = reader.read("an element");
    if ((element.tag & 0x20) !== 0) walkDer(reader.inside(element));
  }
}

const authentication: readonly FuzzTarget[] = [
  auth("DerReader", tokens, (input) => walkDer(new DerReader(input))),
  auth("oidFromDer", [bytes("2b0601050502"), bytes("2a864886f712010202")], (input) => {
    oidFromDer(input);
  }),
  auth("decodeNegTokenInit", tokens, (input) => {
    decodeNegTokenInit(input);
  }),
  auth("decodeNegTokenResp", tokens, (input) => {
    decodeNegTokenResp(input);
  }),
  auth("decodeNegotiate", [negotiate], (input) => {
    decodeNegotiate(input);
  }),
  auth("decodeChallenge", [challenge], (input) => {
    decodeChallenge(input);
  }),
  auth("decodeAuthenticate", [authenticate], (input) => {
    decodeAuthenticate(input);
  }),
  auth("decodeNtlmV2Response", [bytes(vectors.ntlmv2.NTProofStr + vectors.ntlmv2.temp)], (input) => {
    decodeNtlmV2Response(input);
  }),
  auth("decodeAvPairs", [targetInfo, bytes(vectors.ntlmv2.targetInfo)], (input) =>
    reread<AvPair[]>(decodeAvPairs, encodeAvPairs, input),
  ),
  auth("fromUtf16", [targetInfo], (input) => {
    fromUtf16(input, "text");
  }),
];

/** Every reader of foreign bytes below the sessions. To add one is to add a line. */
export const fuzzTargets: readonly FuzzTarget[] = [
  codec("decodeHeader", messages, rereadHeader),
  codec("splitCompound", [compound, ...messages], resplit),
  codec(
    "FrameSplitter",
    [Uint8Array.from(Buffer.concat(messages.slice(0, 6).map(frame))), frame(compound)],
    reassemble,
  ),
  codec("decodeTransform", sealed, retransform),
  codec([], [frame(compound), ...sealed.map(frame)], receive, "a frame, received"),
  ...messageTargets(),
  ...buffers,
  ...authentication,
];
