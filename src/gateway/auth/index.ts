/** The face of `auth`: who is admitted, as whom, by which address. */

export { AddressBook } from "./address.ts";
export {
  Admissions,
  lostUpgrade,
  parseTarget,
  SOCKET_PATHS,
  SUBPROTOCOL,
  withoutQuery,
} from "./admission.ts";
export { Endpoint } from "./endpoint.ts";
export {
  type Admitted,
  type Credential,
  type CurrentKeys,
  type Identity,
  identify,
  needsInHandshake,
  type TokenVerifier,
  verifyNow,
} from "./identity.ts";
export { KeysInForce } from "./keys-in-force.ts";
