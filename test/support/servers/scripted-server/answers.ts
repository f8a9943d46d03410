import { Command } from "../../../../src/codec/header.ts";
import { decodeChangeNotifyRequest } from "../../../../src/codec/msg/change-notify.ts";
import { decodeCloseRequest, encodeCloseResponse } from "../../../../src/codec/msg/close.ts";
import { decodeCreateRequest, encodeCreateResponse } from "../../../../src/codec/msg/create.ts";
import {
  DirectoryClass,
  type DirectoryInformation,
  encodeDirectoryInformation,
} from "../../../../src/codec/msg/directory-information.ts";
import { encodeEchoResponse } from "../../../../src/codec/msg/echo.ts";
import { encodeErrorResponse } from "../../../../src/codec/msg/error-response.ts";
import { encodeFileInternalInformation } from "../../../../src/codec/msg/file-information.ts";
import { decodeIoctlRequest, encodeIoctlResponse } from "../../../../src/codec/msg/ioctl.ts";
import { encodeNegotiateResponse } from "../../../../src/codec/msg/negotiate.ts";
import { ContextType, type NegotiateContext } from "../../../../src/codec/msg/negotiate-contexts.ts";
import {
  decodeQueryDirectoryRequest,
  encodeQueryDirectoryResponse,
  QueryDirectoryFlags,
} from "../../../../src/codec/msg/query-directory.ts";
import { decodeQueryInfoRequest, encodeQueryInfoResponse } from "../../../../src/codec/msg/query-info.ts";
import {
  decodeSessionSetupRequest,
  encodeSessionSetupResponse,
} from "../../../../src/codec/msg/session-setup.ts";
import { encodeTreeConnectResponse } from "../../../../src/codec/msg/tree-connect.ts";
import { encodeValidateNegotiateInfoResponse } from "../../../../src/codec/msg/validate-negotiate-info.ts";
import { NtStatus } from "../../../../src/codec/status.ts";
import { deriveKeys } from "../../../../src/crypto/keys.ts";
import { CIPHER_IDS } from "../../../../src/crypto/sealing.ts";
import { SIGNING_ALGORITHM_IDS } from "../../../../src/crypto/signing.ts";
import { LogonFailure, NtlmServer } from "../../../unit/auth/ntlm-server.ts";
import type { Peer } from "./peer.ts";
import type { Incoming, Reply } from "./script.ts";

const SERVER_GUID = new Uint8Array(16).fill(0x53);
const TREE_ID = 7;
const ROOT_ID = 1_000n;
const logins = new WeakMap<Peer, NtlmServer>();

/** What a plain, honest server says. */
export function answer(request: Incoming, peer: Peer): Reply | readonly Reply[] {
  const { header, message } = request;
  switch (header.command) {
    case Command.NEGOTIATE:
      return negotiate(message, peer);
    case Command.SESSION_SETUP:
      return sessionSetup(message, peer);
    case Command.TREE_CONNECT:
      return {
        treeId: TREE_ID,
        body: encodeTreeConnectResponse({
          shareType: peer.script.shareType ?? 1,
          shareFlags: peer.script.shareFlags ?? 0,
          capabilities: 0,
          maximalAccess: 0x1f01ff,
        }),
      };
    case Command.IOCTL:
      return validate(message, peer);
    case Command.CREATE:
      return create(message, peer);
    case Command.CLOSE: {
      const id = idOf(decodeCloseRequest(message).fileId, peer);
      if (!peer.handles.delete(id)) return { status: NtStatus.FILE_CLOSED };
      for (const each of peer.pending.filter(({ handle }) => handle === id)) {
        peer.notify({ status: NtStatus.NOTIFY_CLEANUP }, each);
      }
      return { body: encodeCloseResponse() };
    }
    case Command.QUERY_INFO: {
      const id = idOf(decodeQueryInfoRequest(message).fileId, peer);
      const name = peer.handles.get(id);
      if (name === undefined) return { status: NtStatus.FILE_CLOSED };
      return { body: encodeQueryInfoResponse(encodeFileInternalInformation(inode(peer, name))) };
    }
    case Command.QUERY_DIRECTORY:
      return queryDirectory(message, peer);
    case Command.CHANGE_NOTIFY:
      return changeNotify(request, peer);
    case Command.CANCEL: {
      const target = peer.pending.find(({ header: each }) => each.messageId === header.messageId);
      if (target !== undefined) peer.notify({ status: NtStatus.CANCELLED }, target);
      return [];
    }
    case Command.TREE_DISCONNECT:
    case Command.LOGOFF:
      for (const each of [...peer.pending]) peer.notify({ status: NtStatus.NOTIFY_CLEANUP }, each);
      return { body: encodeEchoResponse() };
    case Command.ECHO:
      return { body: encodeEchoResponse() };
    default:
      return { status: NtStatus.NOT_SUPPORTED };
  }
}

function negotiate(message: Uint8Array, peer: Peer): Reply {
  const { script } = peer;
  peer.preauth = peer.preauth.update(message);
  peer.dialect = script.dialect ?? 0x0311;
  const contexts: NegotiateContext[] = [];
  if (peer.dialect === 0x0311) {
    contexts.push({ type: ContextType.PREAUTH_INTEGRITY, hashAlgorithms: [1], salt: new Uint8Array(32) });
    if (script.cipher !== undefined) {
      contexts.push({ type: ContextType.ENCRYPTION, ciphers: [CIPHER_IDS[script.cipher]] });
    }
    if (script.signingAlgorithm !== undefined) {
      contexts.push({
        type: ContextType.SIGNING,
        algorithms: [SIGNING_ALGORITHM_IDS[script.signingAlgorithm]],
      });
    }
  }
  const login = new NtlmServer({
    username: peer.server.user,
    password: script.password ?? peer.server.password,
  });
  logins.set(peer, login);
  return { body: encodeNegotiateResponse({ ...negotiated(peer), contexts, securityBuffer: login.hint() }) };
}

function negotiated(
  peer: Peer,
): Omit<Parameters<typeof encodeNegotiateResponse>[0], "contexts" | "securityBuffer"> {
  const { script } = peer;
  const size = script.maxTransactSize ?? 1 << 20;
  return {
    securityMode: script.securityMode ?? 1,
    dialect: peer.dialect,
    serverGuid: SERVER_GUID,
    capabilities: script.capabilities ?? 0x4,
    maxTransactSize: size,
    maxReadSize: size,
    maxWriteSize: size,
    systemTime: 0n,
    serverStartTime: 0n,
  };
}

function validate(message: Uint8Array, peer: Peer): Reply {
  const { ctlCode, fileId } = decodeIoctlRequest(message);
  const { capabilities, serverGuid: guid, securityMode, dialect } = negotiated(peer);
  const output = encodeValidateNegotiateInfoResponse({ capabilities, guid, securityMode, dialect });
  return { body: encodeIoctlResponse({ ctlCode, fileId, output }) };
}

function sessionSetup(message: Uint8Array, peer: Peer): Reply {
  const { securityBuffer } = decodeSessionSetupRequest(message);
  const { script } = peer;
  let login = logins.get(peer);
  if (login === undefined) throw new Error("SESSION_SETUP before NEGOTIATE");
  const isFirst = securityBuffer[0] === 0x60;
  const isRenewal = peer.sessionId !== 0n && peer.renewing;
  if (!isRenewal) peer.loginHash = (isFirst ? peer.preauth : peer.loginHash).update(message);
  if (isFirst) {
    login = new NtlmServer({ username: peer.server.user, password: script.password ?? peer.server.password });
    logins.set(peer, login);
    if (peer.sessionId === 0n) peer.sessionId = 0x1122_3344n + BigInt(peer.server.peers.length);
    const body = encodeSessionSetupResponse({
      sessionFlags: 0,
      securityBuffer: login.challenge(securityBuffer),
    });
    const reply = { status: NtStatus.MORE_PROCESSING_REQUIRED, sessionId: peer.sessionId, body };
    if (!isRenewal) peer.hashNext = true;
    return reply;
  }
  try {
    const { token, sessionKey } = login.authenticate(securityBuffer);
    if (!isRenewal) {
      peer.secure(
        deriveKeys({
          dialect: peer.dialect,
          sessionKey,
          preauthHash: peer.dialect === 0x0311 ? peer.loginHash.value : undefined,
          cipher: script.cipher,
        }),
      );
    }
    peer.renewing = true;
    const body = encodeSessionSetupResponse({
      sessionFlags: script.sessionFlags ?? 0,
      securityBuffer: token,
    });
    return { sessionId: peer.sessionId, body, signature: script.loginSignature ?? "good" };
  } catch (error) {
    if (!(error instanceof LogonFailure)) throw error;
    return { status: NtStatus.LOGON_FAILURE, sessionId: peer.sessionId, signature: "zero" };
  }
}

function create(message: Uint8Array, peer: Peer): Reply {
  const { name } = decodeCreateRequest(message);
  const known = peer.directories();
  peer.lastHandle = "";
  if (!(name in known)) return { status: NtStatus.OBJECT_NAME_NOT_FOUND };
  const fileId = new Uint8Array(16);
  new DataView(fileId.buffer).setBigUint64(0, peer.nextId++, true);
  peer.lastHandle = hex(fileId);
  peer.handles.set(peer.lastHandle, name);
  return {
    body: encodeCreateResponse({
      createAction: 1,
      creationTime: 1n,
      lastAccessTime: 2n,
      lastWriteTime: 3n,
      changeTime: 4n,
      allocationSize: 0n,
      endOfFile: 0n,
      fileAttributes: 0x10,
      fileId,
    }),
  };
}

function queryDirectory(message: Uint8Array, peer: Peer): Reply {
  const { fileId, fileName: pattern, flags } = decodeQueryDirectoryRequest(message);
  const id = idOf(fileId, peer);
  const name = peer.handles.get(id);
  if (name === undefined) return { status: NtStatus.FILE_CLOSED };
  if ((flags & QueryDirectoryFlags.REOPEN) !== 0) peer.listed.delete(id);
  if (peer.listed.has(id)) return { status: NtStatus.NO_MORE_FILES };
  peer.listed.add(id);
  const known = peer.directories();
  const entries = (known[name] ?? [])
    .map((fileName, index) => entry(fileName, index, `${name === "" ? "" : `${name}\\`}${fileName}` in known))
    .filter(({ fileName }) => pattern === "*" || pattern === fileName);
  if (entries.length === 0) return { status: NtStatus.NO_SUCH_FILE };
  const buffer = encodeDirectoryInformation(entries, DirectoryClass.ID_FULL);
  return { body: encodeQueryDirectoryResponse(buffer) };
}

function entry(fileName: string, index: number, directory: boolean): DirectoryInformation {
  return {
    creationTime: 1n,
    lastAccessTime: 2n,
    lastWriteTime: 3n,
    changeTime: 4n,
    endOfFile: 5n,
    allocationSize: 8n,
    fileAttributes: directory ? 0x10 : 0x20,
    eaSize: 0,
    shortName: "",
    fileId: BigInt(index + 1),
    fileName,
  };
}

function changeNotify(request: Incoming, peer: Peer): Reply {
  const { header, message, sealed } = request;
  const handle = hex(decodeChangeNotifyRequest(message).fileId);
  if (!peer.handles.has(handle)) return { status: NtStatus.FILE_CLOSED };
  if (peer.pending.length >= (peer.script.asyncSlots ?? Number.POSITIVE_INFINITY)) {
    return { status: NtStatus.INSUFFICIENT_RESOURCES };
  }
  const asyncId = 0x7000n + header.messageId;
  peer.pending.push({ header, asyncId, sealed, handle });
  return { status: NtStatus.PENDING, asyncId, body: encodeErrorResponse() };
}

/** All ones stand for the handle opened last (MS-SMB2 3.3.5.2.7.2). */
function idOf(fileId: Uint8Array, peer: Peer): string {
  return fileId.every((byte) => byte === 0xff) ? peer.lastHandle : hex(fileId);
}

function inode(peer: Peer, name: string): bigint {
  return ROOT_ID + BigInt(Object.keys(peer.directories()).indexOf(name));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
