import { isDeepStrictEqual } from "node:util";
import * as cancel from "../../../src/codec/msg/cancel.ts";
import * as changeNotify from "../../../src/codec/msg/change-notify.ts";
import * as close from "../../../src/codec/msg/close.ts";
import * as create from "../../../src/codec/msg/create.ts";
import * as echo from "../../../src/codec/msg/echo.ts";
import * as errorResponse from "../../../src/codec/msg/error-response.ts";
import * as ioctl from "../../../src/codec/msg/ioctl.ts";
import * as lease from "../../../src/codec/msg/lease.ts";
import * as logoff from "../../../src/codec/msg/logoff.ts";
import * as negotiate from "../../../src/codec/msg/negotiate.ts";
import * as queryDirectory from "../../../src/codec/msg/query-directory.ts";
import * as queryInfo from "../../../src/codec/msg/query-info.ts";
import * as sessionSetup from "../../../src/codec/msg/session-setup.ts";
import * as treeConnect from "../../../src/codec/msg/tree-connect.ts";
import * as treeDisconnect from "../../../src/codec/msg/tree-disconnect.ts";
import { behindHeader, bytes, capture, notifyVectors, vectors } from "./smb-fixtures.ts";

/** Known bytes of one whole message, and what they say. */
export interface Row {
  readonly name: string;
  readonly source: string;
  readonly message: Uint8Array;
  readonly decode: (message: Uint8Array) => unknown;
  readonly object: unknown;
  /** The body as our encoder writes it from `object`. */
  readonly encoded: Uint8Array;
  /** Why our encoder writes other bytes that say the same; left out where they are the same. */
  readonly differs: string | undefined;
  /** Bytes at the end that mean nothing, so that a message without them is still whole. */
  readonly slack: number;
}

/** An encoder and a decoder of the same message, at the same type. */
interface Codec<T> {
  readonly decode: (message: Uint8Array) => T;
  readonly encode: (value: T) => Uint8Array;
}

interface RowOptions {
  readonly differs?: string;
  readonly slack?: number;
}

function row<T>(
  name: string,
  source: string,
  message: Uint8Array,
  { decode, encode }: Codec<T>,
  object: T,
  { differs, slack = 0 }: RowOptions = {},
): Row {
  return { name, source, message, decode, object, encoded: encode(object), differs, slack };
}

/** Every message both ways. */
const codecs = {
  negotiateRequest: { decode: negotiate.decodeNegotiateRequest, encode: negotiate.encodeNegotiateRequest },
  negotiateResponse: { decode: negotiate.decodeNegotiateResponse, encode: negotiate.encodeNegotiateResponse },
  sessionSetupRequest: {
    decode: sessionSetup.decodeSessionSetupRequest,
    encode: sessionSetup.encodeSessionSetupRequest,
  },
  sessionSetupResponse: {
    decode: sessionSetup.decodeSessionSetupResponse,
    encode: sessionSetup.encodeSessionSetupResponse,
  },
  logoffRequest: { decode: logoff.decodeLogoffRequest, encode: logoff.encodeLogoffRequest },
  logoffResponse: { decode: logoff.decodeLogoffResponse, encode: logoff.encodeLogoffResponse },
  treeConnectRequest: {
    decode: treeConnect.decodeTreeConnectRequest,
    encode: treeConnect.encodeTreeConnectRequest,
  },
  treeConnectResponse: {
    decode: treeConnect.decodeTreeConnectResponse,
    encode: treeConnect.encodeTreeConnectResponse,
  },
  treeDisconnectRequest: {
    decode: treeDisconnect.decodeTreeDisconnectRequest,
    encode: treeDisconnect.encodeTreeDisconnectRequest,
  },
  treeDisconnectResponse: {
    decode: treeDisconnect.decodeTreeDisconnectResponse,
    encode: treeDisconnect.encodeTreeDisconnectResponse,
  },
  leaseBreak: { decode: lease.decodeLeaseBreak, encode: lease.encodeLeaseBreak },
  createRequest: { decode: create.decodeCreateRequest, encode: create.encodeCreateRequest },
  createResponse: { decode: create.decodeCreateResponse, encode: create.encodeCreateResponse },
  closeRequest: { decode: close.decodeCloseRequest, encode: close.encodeCloseRequest },
  closeResponse: { decode: close.decodeCloseResponse, encode: close.encodeCloseResponse },
  ioctlRequest: { decode: ioctl.decodeIoctlRequest, encode: ioctl.encodeIoctlRequest },
  ioctlResponse: { decode: ioctl.decodeIoctlResponse, encode: ioctl.encodeIoctlResponse },
  cancelRequest: { decode: cancel.decodeCancelRequest, encode: cancel.encodeCancelRequest },
  echoRequest: { decode: echo.decodeEchoRequest, encode: echo.encodeEchoRequest },
  echoResponse: { decode: echo.decodeEchoResponse, encode: echo.encodeEchoResponse },
  queryDirectoryRequest: {
    decode: queryDirectory.decodeQueryDirectoryRequest,
    encode: queryDirectory.encodeQueryDirectoryRequest,
  },
  queryDirectoryResponse: {
    decode: queryDirectory.decodeQueryDirectoryResponse,
    encode: queryDirectory.encodeQueryDirectoryResponse,
  },
  changeNotifyRequest: {
    decode: changeNotify.decodeChangeNotifyRequest,
    encode: changeNotify.encodeChangeNotifyRequest,
  },
  changeNotifyResponse: {
    decode: changeNotify.decodeChangeNotifyResponse,
    encode: changeNotify.encodeChangeNotifyResponse,
  },
  queryInfoRequest: { decode: queryInfo.decodeQueryInfoRequest, encode: queryInfo.encodeQueryInfoRequest },
  queryInfoResponse: { decode: queryInfo.decodeQueryInfoResponse, encode: queryInfo.encodeQueryInfoResponse },
  errorResponse: { decode: errorResponse.decodeErrorResponse, encode: errorResponse.encodeErrorResponse },
} as const;

const BLOG = "Microsoft openspecification blog 2017-05-26, Windows";
const NONE = new Uint8Array(0);
const ALL_ONES = bytes("ff".repeat(16));
const { smb311, gmac } = vectors;
const samba = capture.messages;

/** The bytes of a published message from `offset` on: security buffers, whose content the codec does not look at. */
function tail(message: string, offset: number, length?: number): Uint8Array {
  return bytes(message).slice(offset, length === undefined ? undefined : offset + length);
}

export const rows: readonly Row[] = [
  row("NEGOTIATE request 3.1.1", BLOG, bytes(smb311.negotiateRequest), codecs.negotiateRequest, {
    securityMode: 0,
    capabilities: 0x3f,
    clientGuid: bytes("ecd86f326276024f9f7752b89bb33f3a"),
    dialects: [0x0202, 0x0210, 0x0300, 0x0302, 0x0311],
    contexts: [
      {
        type: 1,
        hashAlgorithms: [1],
        salt: bytes("fa49e6578f1f3a9f4cd3e9cc14a67aa884b3d05844e0e5a118225c15887f32ff"),
      },
      { type: 2, ciphers: [2, 1] },
    ],
  }),
  row("NEGOTIATE response 3.1.1", BLOG, bytes(smb311.negotiateResponse), codecs.negotiateResponse, {
    securityMode: 1,
    dialect: 0x0311,
    serverGuid: bytes("39cbcaf329714942bdce5d60f09ab3fb"),
    capabilities: 0x2f,
    maxTransactSize: 8_388_608,
    maxReadSize: 8_388_608,
    maxWriteSize: 8_388_608,
    systemTime: 0x01d0_aecb_ade5_dad8n,
    serverStartTime: 0x01d0_ae95_b04a_0909n,
    securityBuffer: tail(smb311.negotiateResponse, 128, 320),
    contexts: [
      {
        type: 1,
        hashAlgorithms: [1],
        salt: bytes("60a3c3b95c3c7ccd51ec536648d9b3ac74c483ca5b65385a251117beb30712e5"),
      },
      { type: 2, ciphers: [2] },
    ],
  }),
  row(
    "SESSION_SETUP request, round 1",
    BLOG,
    bytes(smb311.sessionSetupRequest1),
    codecs.sessionSetupRequest,
    {
      flags: 0,
      securityMode: 1,
      capabilities: 1,
      previousSessionId: 0n,
      securityBuffer: tail(smb311.sessionSetupRequest1, 88, 74),
    },
  ),
  row(
    "SESSION_SETUP response, round 1",
    BLOG,
    bytes(smb311.sessionSetupResponse1),
    codecs.sessionSetupResponse,
    {
      sessionFlags: 0,
      securityBuffer: tail(smb311.sessionSetupResponse1, 72, 179),
    },
  ),
  row(
    "SESSION_SETUP request, round 2",
    BLOG,
    bytes(smb311.sessionSetupRequest2),
    codecs.sessionSetupRequest,
    {
      flags: 0,
      securityMode: 1,
      capabilities: 1,
      previousSessionId: 0n,
      securityBuffer: tail(smb311.sessionSetupRequest2, 88, 463),
    },
  ),
  row(
    "SESSION_SETUP response, final",
    BLOG,
    bytes(smb311.finalSessionSetupResponse),
    codecs.sessionSetupResponse,
    {
      sessionFlags: 0,
      securityBuffer: bytes("a11b3019a0030a0100a3120410010000003b453cdc3524164200000000"),
    },
  ),
  row("ECHO request", "accepted by Samba 4.17", bytes(gmac.echoRequest[0]), codecs.echoRequest, undefined),
  row("ECHO response", "made by hand", bytes(gmac.echoResponse[0]), codecs.echoResponse, undefined),
  row(
    "CANCEL request",
    "accepted by Samba 4.17",
    bytes(gmac.cancelRequest[0]),
    codecs.cancelRequest,
    undefined,
  ),
  row("LOGOFF request", "made by hand", behindHeader("04000000"), codecs.logoffRequest, undefined),
  row("LOGOFF response", "made by hand", behindHeader("04000000"), codecs.logoffResponse, undefined),

  row("NEGOTIATE request 2.x", capture.source, bytes(samba.negotiateRequest), codecs.negotiateRequest, {
    securityMode: 1,
    capabilities: 0,
    clientGuid: bytes("b59863a66c29d64ca59d3fcd0a805611"),
    dialects: [0x0202, 0x0210],
  }),
  row("NEGOTIATE response 2.1", capture.source, bytes(samba.negotiateResponse), codecs.negotiateResponse, {
    securityMode: 1,
    dialect: 0x0210,
    serverGuid: bytes("6c616200000000000000000000000000"),
    capabilities: 7,
    maxTransactSize: 8_388_608,
    maxReadSize: 8_388_608,
    maxWriteSize: 8_388_608,
    systemTime: 0x01dd_7aa1_d832_7192n,
    serverStartTime: 0n,
    securityBuffer: tail(samba.negotiateResponse, 128),
    contexts: [],
  }),
  row("TREE_CONNECT request", capture.source, bytes(samba.treeConnectRequest), codecs.treeConnectRequest, {
    flags: 0,
    path: "\\\\127.0.0.1\\share",
  }),
  row("TREE_CONNECT response", capture.source, bytes(samba.treeConnectResponse), codecs.treeConnectResponse, {
    shareType: 1,
    shareFlags: 0,
    capabilities: 0,
    maximalAccess: 0x001f01ff,
  }),
  row(
    "IOCTL request, VALIDATE_NEGOTIATE_INFO",
    capture.source,
    bytes(samba.validateNegotiateRequest),
    codecs.ioctlRequest,
    {
      ctlCode: 0x0014_0204,
      fileId: ALL_ONES,
      input: bytes("00000000b59863a66c29d64ca59d3fcd0a8056110100020002021002"),
      maxOutputResponse: 24,
    },
    { differs: "smbclient names an offset for its empty output" },
  ),
  row(
    "IOCTL response, VALIDATE_NEGOTIATE_INFO",
    capture.source,
    bytes(samba.validateNegotiateResponse),
    codecs.ioctlResponse,
    {
      ctlCode: 0x0014_0204,
      fileId: ALL_ONES,
      output: bytes("070000006c61620000000000000000000000000001001002"),
    },
  ),
  row(
    "IOCTL request, DFS_GET_REFERRALS",
    capture.source,
    bytes(samba.dfsReferralRequest),
    codecs.ioctlRequest,
    {
      ctlCode: 0x0006_0194,
      fileId: ALL_ONES,
      input: bytes("03005c003100320037002e0030002e0030002e0031005c00730068006100720065000000"),
      maxOutputResponse: 65_535,
    },
    { differs: "smbclient names an offset for its empty output" },
  ),
  row(
    "TREE_DISCONNECT request",
    capture.source,
    bytes(samba.treeDisconnectRequest),
    codecs.treeDisconnectRequest,
    undefined,
  ),
  row(
    "TREE_DISCONNECT response",
    capture.source,
    bytes(samba.treeDisconnectResponse),
    codecs.treeDisconnectResponse,
    undefined,
  ),
  row("CREATE request", capture.source, bytes(samba.createRequest), codecs.createRequest, {
    desiredAccess: 0x81,
    fileAttributes: 0x10,
    shareAccess: 3,
    createDisposition: 1,
    createOptions: 1,
    name: "photos",
  }),
  row(
    "CREATE request of the root",
    capture.source,
    bytes(samba.createRootRequest),
    codecs.createRequest,
    {
      desiredAccess: 0x80,
      fileAttributes: 0x10,
      shareAccess: 7,
      createDisposition: 1,
      createOptions: 1,
      name: "",
    },
    { slack: 1 },
  ),
  row("CREATE response", capture.source, bytes(samba.createResponse), codecs.createResponse, {
    createAction: 1,
    creationTime: 0x01dd_7aa1_d829_cc02n,
    lastAccessTime: 0x01dd_7aa1_d829_cc02n,
    lastWriteTime: 0x01dd_7aa1_d829_cc02n,
    changeTime: 0x01dd_7aa1_d829_cc02n,
    allocationSize: 0n,
    endOfFile: 0n,
    fileAttributes: 0x10,
    fileId: bytes("ec1e499300000000c91a707700000000"),
  }),
  row(
    "QUERY_DIRECTORY request",
    capture.source,
    bytes(samba.queryDirectoryRequest),
    codecs.queryDirectoryRequest,
    {
      fileInformationClass: 37,
      flags: 0,
      fileIndex: 0,
      fileId: bytes("ec1e499300000000c91a707700000000"),
      fileName: "*",
      outputBufferLength: 8_388_608,
    },
  ),
  row(
    "QUERY_DIRECTORY response",
    capture.source,
    bytes(samba.queryDirectoryResponse),
    codecs.queryDirectoryResponse,
    tail(samba.queryDirectoryResponse, 72),
  ),
  row(
    "QUERY_INFO request",
    capture.source,
    bytes(samba.queryInfoRequest),
    codecs.queryInfoRequest,
    { fileInfoClass: 18, outputBufferLength: 65_535, fileId: bytes("c6112aac0000000040beda5e00000000") },
    { slack: 1 },
  ),
  row(
    "QUERY_INFO response",
    capture.source,
    bytes(samba.queryInfoResponse),
    codecs.queryInfoResponse,
    tail(samba.queryInfoResponse, 72),
  ),
  row("CLOSE request", capture.source, bytes(samba.closeRequest), codecs.closeRequest, {
    fileId: bytes("ec1e499300000000c91a707700000000"),
  }),
  row("CLOSE response", capture.source, bytes(samba.closeResponse), codecs.closeResponse, undefined),
  row("CHANGE_NOTIFY request", capture.source, bytes(samba.changeNotifyRequest), codecs.changeNotifyRequest, {
    flags: 1,
    outputBufferLength: 1_000,
    fileId: bytes("1e52e49f00000000b6e065b900000000"),
    completionFilter: 0xfff,
  }),
  row(
    "CHANGE_NOTIFY response",
    capture.source,
    bytes(samba.changeNotifyResponse),
    codecs.changeNotifyResponse,
    tail(samba.changeNotifyResponse, 72),
  ),
  row(
    "CHANGE_NOTIFY request of Windows",
    "smb-rs test vector",
    behindHeader(notifyVectors.request_smbrs),
    codecs.changeNotifyRequest,
    {
      flags: 0,
      outputBufferLength: 2_048,
      fileId: bytes("d10500000c000000190000000c000000"),
      completionFilter: 0x17,
    },
  ),
  row(
    "CHANGE_NOTIFY response of Windows",
    "smb-rs test vector",
    behindHeader(notifyVectors.response_rename_pair_smbrs),
    codecs.changeNotifyResponse,
    bytes(notifyVectors.response_rename_pair_smbrs).slice(8),
  ),
  row(
    "CHANGE_NOTIFY response of Azure Files",
    "smb-rs test vector",
    behindHeader(notifyVectors.response_azure_smbrs),
    codecs.changeNotifyResponse,
    bytes(notifyVectors.response_azure_smbrs).slice(8),
  ),
  row(
    "CHANGE_NOTIFY response with STATUS_NOTIFY_ENUM_DIR",
    "Samba 4.17",
    behindHeader(notifyVectors.samba417_enum_dir_body),
    codecs.changeNotifyResponse,
    NONE,
    { slack: 1, differs: "Samba sends one byte of empty buffer, as in an ERROR response" },
  ),
  row(
    "ERROR response in place of it",
    "Samba 4.17",
    behindHeader(notifyVectors.samba417_enum_dir_body),
    codecs.errorResponse,
    { errorContextCount: 0, errorData: NONE },
    { slack: 1 },
  ),
  row(
    "interim response",
    "Samba 4.17",
    bytes(notifyVectors.samba417_interim),
    codecs.errorResponse,
    { errorContextCount: 0, errorData: NONE },
    { slack: 1, differs: "Samba leaves garbage in the byte that stands for no data" },
  ),
  row(
    "ERROR response, NO_MORE_FILES",
    capture.source,
    bytes(samba.noMoreFiles),
    codecs.errorResponse,
    {
      errorContextCount: 0,
      errorData: NONE,
    },
    { slack: 1 },
  ),
];

/** One value of each message, with no field left at zero, and a header in front of what our encoder makes of it. */
export interface Sample {
  readonly name: string;
  readonly message: Uint8Array;
  readonly decode: (message: Uint8Array) => unknown;
  readonly value: unknown;
  /** Reads any message of this kind, and insists that what our encoder makes of it reads the same. */
  readonly reread: (message: Uint8Array) => void;
}

function sample<T>(name: string, codec: Codec<T>, value: T): Sample {
  const { decode, encode } = codec;
  const message = behindHeader(encode(value));
  return { name, message, decode, value, reread: (input) => reread(decode, encode, input, behindHeader) };
}

/** @throws what `decode` throws; an Error where the second reading differs */
export function reread<T>(
  decode: (input: Uint8Array) => T,
  encode: (value: T) => Uint8Array,
  input: Uint8Array,
  wrap: (encoded: Uint8Array) => Uint8Array = (encoded) => encoded,
): void {
  const value = decode(input);
  const again = decode(wrap(encode(value)));
  if (!isDeepStrictEqual(again, value)) throw new Error("what was read is read otherwise once written");
}

const FILE_ID = bytes("00112233445566778899aabbccddeeff");
const GUID = bytes("0f1e2d3c4b5a69788796a5b4c3d2e1f0");
const TOKEN = bytes("604806062b0601050502");
const BIG = 0xfedc_ba98_7654_3210n;

export const samples: readonly Sample[] = [
  sample("NEGOTIATE request without 3.1.1", codecs.negotiateRequest, {
    securityMode: 3,
    capabilities: 0x45,
    clientGuid: GUID,
    dialects: [0x0202, 0x0300, 0x0302],
  }),
  sample("NEGOTIATE request with every context", codecs.negotiateRequest, {
    securityMode: 3,
    capabilities: 0xffff_ffff,
    clientGuid: GUID,
    dialects: [0x0311],
    contexts: [
      { type: 8, algorithms: [2, 1, 0] },
      { type: 5, name: "nas.example.org" },
      { type: 1, hashAlgorithms: [1, 2], salt: bytes("00".repeat(33)) },
      { type: "unknown", contextType: 3, data: bytes("010203") },
      { type: 2, ciphers: [2, 4, 1, 3] },
    ],
  }),
  sample("NEGOTIATE response", codecs.negotiateResponse, {
    securityMode: 3,
    dialect: 0x0311,
    serverGuid: GUID,
    capabilities: 0x8000_0007,
    maxTransactSize: 1,
    maxReadSize: 2,
    maxWriteSize: 0xffff_ffff,
    systemTime: BIG,
    serverStartTime: 1n,
    securityBuffer: TOKEN,
    contexts: [
      { type: 2, ciphers: [] },
      { type: 8, algorithms: [2] },
    ],
  }),
  sample("SESSION_SETUP request", codecs.sessionSetupRequest, {
    flags: 1,
    securityMode: 2,
    capabilities: 1,
    previousSessionId: BIG,
    securityBuffer: TOKEN,
  }),
  sample("SESSION_SETUP response", codecs.sessionSetupResponse, { sessionFlags: 7, securityBuffer: TOKEN }),
  sample("LOGOFF request", codecs.logoffRequest, undefined),
  sample("LOGOFF response", codecs.logoffResponse, undefined),
  sample("TREE_CONNECT request", codecs.treeConnectRequest, { flags: 4, path: "\\\\nas\\Übung" }),
  sample("TREE_CONNECT response", codecs.treeConnectResponse, {
    shareType: 3,
    shareFlags: 0x8800,
    capabilities: 0x1f8,
    maximalAccess: 0xffff_ffff,
  }),
  sample("TREE_DISCONNECT request", codecs.treeDisconnectRequest, undefined),
  sample("TREE_DISCONNECT response", codecs.treeDisconnectResponse, undefined),
  sample("CREATE request", codecs.createRequest, {
    desiredAccess: 0x0010_0081,
    fileAttributes: 0x10,
    shareAccess: 7,
    createDisposition: 1,
    createOptions: 0x0020_0001,
    name: "photos\\2026\\\ud83d\udcf7 \ud800",
  }),
  sample("CREATE request with a lease", codecs.createRequest, {
    desiredAccess: 0x0010_0081,
    fileAttributes: 0,
    shareAccess: 7,
    createDisposition: 1,
    createOptions: 1,
    name: "Übung",
    lease: { key: GUID, state: 3 },
  }),
  sample("CREATE response with a lease", codecs.createResponse, {
    createAction: 1,
    creationTime: 1n,
    lastAccessTime: 2n,
    lastWriteTime: 3n,
    changeTime: BIG,
    allocationSize: 0n,
    endOfFile: 0n,
    fileAttributes: 16,
    fileId: GUID,
    lease: { key: GUID, state: 1 },
  }),
  sample("OPLOCK_BREAK of a lease", codecs.leaseBreak, {
    newEpoch: 2,
    flags: 1,
    key: GUID,
    currentState: 3,
    newState: 0,
  }),
  sample("CREATE response", codecs.createResponse, {
    createAction: 2,
    creationTime: 1n,
    lastAccessTime: 2n,
    lastWriteTime: 3n,
    changeTime: BIG,
    allocationSize: 4_096n,
    endOfFile: 0xffff_ffff_ffff_ffffn,
    fileAttributes: 0x8000_0010,
    fileId: FILE_ID,
  }),
  sample("CLOSE request", codecs.closeRequest, { fileId: FILE_ID }),
  sample("CLOSE response", codecs.closeResponse, undefined),
  sample("IOCTL request", codecs.ioctlRequest, {
    ctlCode: 0x8009_0311,
    fileId: FILE_ID,
    input: TOKEN,
    maxOutputResponse: 0x1_0000,
  }),
  sample("IOCTL request without input", codecs.ioctlRequest, {
    ctlCode: 1,
    fileId: FILE_ID,
    input: NONE,
    maxOutputResponse: 0,
  }),
  sample("IOCTL response", codecs.ioctlResponse, { ctlCode: 7, fileId: FILE_ID, output: TOKEN }),
  sample("CANCEL request", codecs.cancelRequest, undefined),
  sample("ECHO request", codecs.echoRequest, undefined),
  sample("ECHO response", codecs.echoResponse, undefined),
  sample("QUERY_DIRECTORY request", codecs.queryDirectoryRequest, {
    fileInformationClass: 60,
    flags: 0x11,
    fileIndex: 0xffff_ffff,
    fileId: FILE_ID,
    fileName: "née*",
    outputBufferLength: 0x10_0000,
  }),
  sample("QUERY_DIRECTORY request without pattern", codecs.queryDirectoryRequest, {
    fileInformationClass: 38,
    flags: 0,
    fileIndex: 0,
    fileId: FILE_ID,
    fileName: "",
    outputBufferLength: 65_536,
  }),
  sample("QUERY_DIRECTORY response", codecs.queryDirectoryResponse, TOKEN),
  sample("CHANGE_NOTIFY request", codecs.changeNotifyRequest, {
    flags: 1,
    outputBufferLength: 65_536,
    fileId: FILE_ID,
    completionFilter: 0xfff,
  }),
  sample("CHANGE_NOTIFY response", codecs.changeNotifyResponse, TOKEN),
  sample("CHANGE_NOTIFY response without records", codecs.changeNotifyResponse, NONE),
  sample("QUERY_INFO request", codecs.queryInfoRequest, {
    fileInfoClass: 34,
    outputBufferLength: 56,
    fileId: FILE_ID,
  }),
  sample("QUERY_INFO response", codecs.queryInfoResponse, TOKEN),
  sample("ERROR response", codecs.errorResponse, { errorContextCount: 1, errorData: TOKEN }),
  sample("ERROR response without data", codecs.errorResponse, { errorContextCount: 0, errorData: NONE }),
];
