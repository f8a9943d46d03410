import { Command } from "../../codec/header.ts";
import {
  type DfsReferralResponse,
  decodeDfsReferralResponse,
  encodeDfsReferralRequest,
} from "../../codec/msg/dfs-referral.ts";
import { decodeIoctlResponse, encodeIoctlRequest, Fsctl } from "../../codec/msg/ioctl.ts";
import { encodeTreeConnectRequest } from "../../codec/msg/tree-connect.ts";
import { encodeTreeDisconnectRequest } from "../../codec/msg/tree-disconnect.ts";
import { NtStatus } from "../../codec/status.ts";
import { consumedNames, type DfsLocation, parseNetworkAddress } from "../dfs-location.ts";
import { SmbProtocolError, SmbStatusError } from "../errors.ts";
import type { Session } from "../login/index.ts";
import type { Response } from "../wire/index.ts";

const NO_FILE = new Uint8Array(16).fill(0xff);
/** A referral of a hundred targets with long names. */
const ANSWER_BYTES = 65_536;
/** Neither a server's whim nor a zero may make us ask all the time, or never again. */
const SHORTEST_LIFE_S = 10;
const LONGEST_LIFE_S = 86_400;

/** Where a namespace server sends us. */
export interface Referral {
  /** How many names of the path, below its share, the targets stand for. */
  readonly consumed: number;
  /** In the server's order of preference; never empty. */
  readonly targets: readonly DfsLocation[];
  readonly lifeMs: number;
}

/**
 * Asks where a path is kept: FSCTL_DFS_GET_REFERRALS on IPC$ (MS-SMB2 3.2.4.20.3, MS-DFSC 2.2.2).
 * @param path `\host\share\dir`, with one leading backslash
 * @throws SmbStatusError where the server knows no such path, SmbProtocolError, and the connection's errors
 */
export async function askReferral(
  session: Session,
  path: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Referral> {
  const { host } = session.connection.options;
  const connected = await only(
    session,
    {
      command: Command.TREE_CONNECT,
      body: encodeTreeConnectRequest({ flags: 0, path: `\\\\${host}\\IPC$` }),
    },
    "TREE_CONNECT of IPC$",
    signal,
  );
  const { treeId } = connected.header;
  try {
    const answer = await only(
      session,
      {
        command: Command.IOCTL,
        treeId,
        payload: ANSWER_BYTES,
        body: encodeIoctlRequest({
          ctlCode: Fsctl.DFS_GET_REFERRALS,
          fileId: NO_FILE,
          input: encodeDfsReferralRequest(path),
          maxOutputResponse: ANSWER_BYTES,
        }),
      },
      "DFS referral",
      signal,
    );
    return usable(path, decodeDfsReferralResponse(decodeIoctlResponse(answer.message).output));
  } finally {
    await session
      .exchange([{ command: Command.TREE_DISCONNECT, treeId, body: encodeTreeDisconnectRequest() }])
      .catch(() => undefined);
  }
}

function usable(path: string, response: DfsReferralResponse): Referral {
  const consumed = consumedNames(path, response.pathConsumed);
  if (consumed === undefined) throw new SmbProtocolError("DFS referral: PathConsumed cuts a name");
  const targets: DfsLocation[] = [];
  let life = LONGEST_LIFE_S;
  for (const { networkAddress, timeToLive } of response.referrals) {
    const target = parseNetworkAddress(networkAddress);
    if (target === undefined) continue;
    targets.push(target);
    life = Math.min(life, Math.max(SHORTEST_LIFE_S, timeToLive));
  }
  if (targets.length === 0) throw new SmbStatusError("DFS referral", NtStatus.NOT_FOUND);
  return { consumed, targets, lifeMs: life * 1_000 };
}

async function only(
  session: Session,
  request: Parameters<Session["exchange"]>[0][number],
  what: string,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const [response] = await session.exchange([request], { signal });
  if (response === undefined) throw new SmbProtocolError(`${what}: no answer`);
  if (response.header.status !== NtStatus.SUCCESS) throw new SmbStatusError(what, response.header.status);
  return response;
}
