import { Command } from "../../codec/header.ts";
import { decodeIoctlResponse, encodeIoctlRequest, Fsctl } from "../../codec/msg/ioctl.ts";
import {
  decodeValidateNegotiateInfoResponse,
  encodeValidateNegotiateInfoRequest,
  VALIDATE_NEGOTIATE_INFO_BYTES,
} from "../../codec/msg/validate-negotiate-info.ts";
import { NtStatus, statusName } from "../../codec/status.ts";
import { equalTags } from "../../crypto/signing.ts";
import { SmbSecurityError } from "../errors.ts";
import type { Session } from "./session.ts";

/** MS-SMB2 2.2.31: the FSCTL wants no file. */
const NO_FILE = new Uint8Array(16).fill(0xff);

/** Whether the negotiation needs this check: 3.1.1 protects itself, 2.x alone had nothing to lose (MS-SMB2 3.2.5.5). */
export function needsValidation(session: Session): boolean {
  const { dialect, ourDialects } = session.negotiated;
  return dialect !== 0x0311 && ourDialects.some((each) => each >= 0x0300);
}

/**
 * Asks the server, under signature, what it negotiated, and compares (MS-SMB2 3.2.5.14.12). A server that
 * sees a difference just closes the connection.
 * @throws SmbSecurityError
 */
export async function validateNegotiate(
  session: Session,
  treeId: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { negotiated } = session;
  // Without signatures the answer proves nothing; policy has allowed that.
  if (!negotiated.signing) return;
  const [response] = await session.exchange(
    [
      {
        command: Command.IOCTL,
        treeId,
        payload: VALIDATE_NEGOTIATE_INFO_BYTES,
        body: encodeIoctlRequest({
          ctlCode: Fsctl.VALIDATE_NEGOTIATE_INFO,
          fileId: NO_FILE,
          input: encodeValidateNegotiateInfoRequest({
            capabilities: negotiated.ourCapabilities,
            guid: negotiated.clientGuid,
            securityMode: negotiated.ourSecurityMode,
            dialects: negotiated.ourDialects,
          }),
          maxOutputResponse: VALIDATE_NEGOTIATE_INFO_BYTES,
        }),
      },
    ],
    { signal },
  );
  if (response === undefined) return;
  const { status } = response.header;
  if (status === NtStatus.ACCESS_DENIED) throw downgrade("the server refuses to confirm the negotiation");
  if (status !== NtStatus.SUCCESS) {
    // A server that knows only 2.x does not know the question. Its refusal was signed, or we would not
    // see it: nobody in between has made it up. A 3.x server has to know.
    if (negotiated.dialect < 0x0300) return;
    throw downgrade(`the server does not confirm the negotiation: ${statusName(status)}`);
  }
  const { output } = decodeIoctlResponse(response.message);
  const info = decodeValidateNegotiateInfoResponse(output);
  if (
    info.capabilities !== negotiated.serverCapabilities ||
    info.securityMode !== negotiated.serverSecurityMode ||
    info.dialect !== negotiated.dialect ||
    !equalTags(info.guid, negotiated.serverGuid)
  ) {
    throw downgrade("the negotiation was changed on its way");
  }
}

function downgrade(message: string): SmbSecurityError {
  return new SmbSecurityError("downgrade", message);
}
