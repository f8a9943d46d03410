import { contextTag, DerReader, der, derOid, oidFromDer, TAG } from "./der.ts";
import { malformed } from "./errors.ts";

/** Object identifiers of mechanisms, dotted (MS-SPNG 1.9, RFC 4178, RFC 4121). */
export const MECH = {
  SPNEGO: "1.3.6.1.5.5.2",
  NTLMSSP: "1.3.6.1.4.1.311.2.2.10",
  KERBEROS: "1.2.840.113554.1.2.2",
  /** Kerberos with the arc that Windows 2000 got wrong; servers still offer it. */
  MS_KERBEROS: "1.2.840.48018.1.2.2",
  NEGOEX: "1.3.6.1.4.1.311.2.2.30",
} as const;

/** SMB carries longer security buffers (u16 length), no honest server fills them. */
const MAX_TOKEN = 65_535;

const STATES = ["accept-completed", "accept-incomplete", "reject", "request-mic"] as const;
export type NegState = (typeof STATES)[number];

/** The first token of either side (RFC 4178 4.2.1; the server's hint: MS-SPNG 2.2.1). */
export interface NegTokenInit {
  /** Dotted identifiers, most wanted first. */
  readonly mechTypes: readonly string[];
  /** The MechTypeList as it was encoded, which is what a mechListMIC covers. */
  readonly mechTypeList: Uint8Array;
  readonly mechToken: Uint8Array | undefined;
}

/** Every later token (RFC 4178 4.2.2). */
export interface NegTokenResp {
  readonly negState?: NegState | undefined;
  readonly supportedMech?: string | undefined;
  readonly responseToken?: Uint8Array | undefined;
  readonly mechListMic?: Uint8Array | undefined;
}

/** The MechTypeList SEQUENCE: the input of mechListMIC. */
export function encodeMechTypeList(mechTypes: readonly string[]): Uint8Array {
  return der(TAG.SEQUENCE, ...mechTypes.map(derOid));
}

/** NegTokenInit in its GSS-API frame. */
export function encodeNegTokenInit(mechTypes: readonly string[], mechToken?: Uint8Array): Uint8Array {
  const fields = [der(contextTag(0), encodeMechTypeList(mechTypes))];
  if (mechToken !== undefined) fields.push(der(contextTag(2), der(TAG.OCTET_STRING, mechToken)));
  return der(TAG.APPLICATION_0, derOid(MECH.SPNEGO), der(contextTag(0), der(TAG.SEQUENCE, ...fields)));
}

/**
 * Reads NegTokenInit and NegTokenInit2. What they disagree about (mechListMIC or negHints under `[3]`)
 * is skipped, as are unknown tags.
 * @throws AuthError `AUTH_MALFORMED_TOKEN`
 */
export function decodeNegTokenInit(token: Uint8Array): NegTokenInit {
  bound(token);
  const outer = new DerReader(token);
  const frame = outer.enter(TAG.APPLICATION_0, "the GSS-API frame");
  outer.end("the GSS-API frame");
  const mech = oidFromDer(frame.expect(TAG.OID, "the frame's mechanism").value);
  if (mech !== MECH.SPNEGO) malformed(`SPNEGO: the frame is of mechanism ${mech}`);
  const choice = frame.enter(contextTag(0), "NegTokenInit");
  frame.end("NegTokenInit");
  const sequence = choice.enter(TAG.SEQUENCE, "NegTokenInit");
  choice.end("NegTokenInit");

  let mechTypeList: Uint8Array | undefined;
  let mechTypes: string[] = [];
  let mechToken: Uint8Array | undefined;
  for (const field of fields(sequence, "NegTokenInit")) {
    if (field.tag === contextTag(0)) {
      const list = field.reader.expect(TAG.SEQUENCE, "mechTypes");
      mechTypeList = list.raw;
      mechTypes = oids(field.reader.inside(list));
      field.reader.end("mechTypes");
    } else if (field.tag === contextTag(2)) {
      mechToken = field.reader.expect(TAG.OCTET_STRING, "mechToken").value;
      field.reader.end("mechToken");
    }
  }
  if (mechTypeList === undefined) malformed("SPNEGO: NegTokenInit has no mechTypes");
  return { mechTypes, mechTypeList, mechToken };
}

/** NegTokenResp, with the fields that are given. */
export function encodeNegTokenResp(response: NegTokenResp): Uint8Array {
  const { negState, supportedMech, responseToken, mechListMic } = response;
  const parts: Uint8Array[] = [];
  if (negState !== undefined) {
    parts.push(der(contextTag(0), der(TAG.ENUMERATED, Uint8Array.of(STATES.indexOf(negState)))));
  }
  if (supportedMech !== undefined) parts.push(der(contextTag(1), derOid(supportedMech)));
  if (responseToken !== undefined) parts.push(der(contextTag(2), der(TAG.OCTET_STRING, responseToken)));
  if (mechListMic !== undefined) parts.push(der(contextTag(3), der(TAG.OCTET_STRING, mechListMic)));
  return der(contextTag(1), der(TAG.SEQUENCE, ...parts));
}

/**
 * Reads NegTokenResp; unknown tags are skipped.
 * @throws AuthError `AUTH_MALFORMED_TOKEN`
 */
export function decodeNegTokenResp(token: Uint8Array): NegTokenResp {
  bound(token);
  const outer = new DerReader(token);
  const choice = outer.enter(contextTag(1), "NegTokenResp");
  outer.end("NegTokenResp");
  const sequence = choice.enter(TAG.SEQUENCE, "NegTokenResp");
  choice.end("NegTokenResp");

  const response: { -readonly [field in keyof NegTokenResp]: NegTokenResp[field] } = {};
  for (const { tag, reader } of fields(sequence, "NegTokenResp")) {
    if (tag === contextTag(0)) response.negState = negState(reader.expect(TAG.ENUMERATED, "negState").value);
    else if (tag === contextTag(1))
      response.supportedMech = oidFromDer(reader.expect(TAG.OID, "supportedMech").value);
    else if (tag === contextTag(2))
      response.responseToken = reader.expect(TAG.OCTET_STRING, "responseToken").value;
    else if (tag === contextTag(3))
      response.mechListMic = reader.expect(TAG.OCTET_STRING, "mechListMIC").value;
    else continue;
    reader.end(`field [${tag & 0x1f}] of NegTokenResp`);
  }
  return response;
}

/** The fields of a SEQUENCE, each tag at most once and in order. */
function* fields(sequence: DerReader, what: string): Generator<{ tag: number; reader: DerReader }> {
  let before = -1;
  while (!sequence.done) {
    const element = sequence.read(`a field of ${what}`);
    if (element.tag <= before) malformed(`SPNEGO: the fields of ${what} are out of order`);
    before = element.tag;
    yield { tag: element.tag, reader: sequence.inside(element) };
  }
}

function oids(list: DerReader): string[] {
  const found: string[] = [];
  while (!list.done) found.push(oidFromDer(list.expect(TAG.OID, "a mechanism").value));
  return found;
}

function negState(value: Uint8Array): NegState {
  const state = value.length === 1 ? STATES[value[0] as number] : undefined;
  return state ?? malformed("SPNEGO: negState is not one of 0 to 3");
}

function bound(token: Uint8Array): void {
  if (token.length > MAX_TOKEN) malformed(`SPNEGO: a token of ${token.length} bytes`);
}
