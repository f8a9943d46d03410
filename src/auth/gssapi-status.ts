import { AuthError, type AuthErrorCode } from "./errors.ts";
import { type GssBuffer, type GssNative, type Out, oid } from "./gssapi-native.ts";

/** What was asked of the library, in the words an operator configured it with. */
export interface GssAttempt {
  /** What failed, for people. */
  readonly what: string;
  /** `credentials`: from keytab, cache or password. `ticket`: for the server, or the server's answer to it. */
  readonly step: "credentials" | "ticket" | "other";
  readonly source: "keytab" | "cache" | "password";
  readonly principal: string;
  /** Service principal without realm. */
  readonly service: string;
}

export const KRB5_MECHANISM: ReturnType<typeof oid> = oid("2a864886f712010202");

/** Routine errors (RFC 2744 3.9.1). */
const BAD_MIC = 6;
const NO_CRED = 7;
const DEFECTIVE_TOKEN = 9;
const DEFECTIVE_CREDENTIAL = 10;
const CREDENTIALS_EXPIRED = 11;

/** Minor statuses of MIT's krb5: its error table begins here; the first 128 are those of RFC 4120 7.5.9. */
const KRB5 = -1_765_328_384;
const MINOR = {
  KDC_ERR_NAME_EXP: KRB5 + 1,
  KDC_ERR_C_PRINCIPAL_UNKNOWN: KRB5 + 6,
  KDC_ERR_S_PRINCIPAL_UNKNOWN: KRB5 + 7,
  KDC_ERR_ETYPE_NOSUPP: KRB5 + 14,
  KDC_ERR_CLIENT_REVOKED: KRB5 + 18,
  KDC_ERR_KEY_EXPIRED: KRB5 + 23,
  KDC_ERR_PREAUTH_FAILED: KRB5 + 24,
  KRB_AP_ERR_BAD_INTEGRITY: KRB5 + 31,
  KRB_AP_ERR_TKT_EXPIRED: KRB5 + 32,
  KRB_AP_ERR_TKT_NYV: KRB5 + 33,
  KRB_AP_ERR_SKEW: KRB5 + 37,
  KRB_AP_ERR_MODIFIED: KRB5 + 41,
  KRB_AP_ERR_BADKEYVER: KRB5 + 44,
  KRB_AP_ERR_NOKEY: KRB5 + 45,
  KDC_ERR_WRONG_REALM: KRB5 + 68,
  KDCREP_SKEW: KRB5 + 147,
  /** Also what a DNS outage looks like. */
  REALM_UNKNOWN: KRB5 + 154,
  KDC_UNREACH: KRB5 + 156,
  FCC_NOFILE: KRB5 + 195,
  REALM_CANT_RESOLVE: KRB5 + 220,
  CONFIG_NODEFREALM: KRB5 + 224,
} as const;

interface Diagnosis {
  readonly code: AuthErrorCode;
  /** What to do about it. */
  readonly fix?: string;
}

/** @throws AuthError for a major status with an error in it; the text is the library's, and the fix ours. */
export function check(native: GssNative, status: unknown, minor: Out<number>, attempt: GssAttempt): void {
  const major = Number(status) >>> 0;
  // Bits 24 to 31 are calling errors, 16 to 23 routine errors, the rest no errors (RFC 2744 3.9.1).
  if (major >>> 16 === 0) return;
  const { code, fix } = diagnose((major >>> 16) & 0xff, minor[0] | 0, attempt);
  const said = describe(native, major, minor[0]);
  throw new AuthError(code, `Kerberos: ${attempt.what}: ${said}${fix === undefined ? "" : `; ${fix}`}`);
}

function diagnose(routine: number, minor: number, attempt: GssAttempt): Diagnosis {
  const { source, step, principal, service } = attempt;
  switch (minor) {
    case MINOR.KDC_UNREACH:
      return {
        code: "AUTH_KERBEROS_UNREACHABLE",
        fix: "no KDC answered: check the realm's kdc lines in krb5.conf, and that port 88 is open",
      };
    case MINOR.REALM_UNKNOWN:
    case MINOR.REALM_CANT_RESOLVE:
      return {
        code: "AUTH_KERBEROS_UNREACHABLE",
        fix: "no KDC is known for that realm: check the spelling of domain (a realm is written in capitals), [realms] in krb5.conf, or the DNS entries _kerberos._tcp",
      };
    case MINOR.KRB_AP_ERR_SKEW:
    case MINOR.KRB_AP_ERR_TKT_NYV:
    case MINOR.KDCREP_SKEW:
      return failed("the clocks of this machine, the KDC and the server are too far apart: set them, by NTP");
    case MINOR.KDC_ERR_C_PRINCIPAL_UNKNOWN:
      return refused(`the KDC does not know ${principal}: check username and domain`);
    case MINOR.KDC_ERR_NAME_EXP:
    case MINOR.KDC_ERR_CLIENT_REVOKED:
      return {
        code: "AUTH_ACCOUNT_CLOSED",
        fix: `the account of ${principal} is expired, disabled or locked: whoever runs the realm must open it`,
      };
    case MINOR.KDC_ERR_KEY_EXPIRED:
      return refused(`the password of ${principal} has expired: set a new one`);
    case MINOR.KDC_ERR_S_PRINCIPAL_UNKNOWN:
      return failed(
        `the KDC does not know the service ${service}: register it (Active Directory: setspn -S; MIT: kadmin addprinc), set spnHost to the name it is registered under, or correct domain`,
      );
    case MINOR.KDC_ERR_ETYPE_NOSUPP:
      return failed("there is no encryption type in common: allow AES for both accounts");
    case MINOR.KDC_ERR_WRONG_REALM:
    case MINOR.CONFIG_NODEFREALM:
      return failed("set domain to the realm of the account, in capitals, or default_realm in krb5.conf");
    case MINOR.KDC_ERR_PREAUTH_FAILED:
    case MINOR.KRB_AP_ERR_BAD_INTEGRITY:
    case MINOR.KRB_AP_ERR_MODIFIED:
    case MINOR.KRB_AP_ERR_BADKEYVER:
    case MINOR.KRB_AP_ERR_NOKEY:
      if (step === "ticket") {
        return failed(
          `the server has another key for ${service} than the KDC: renew the server's keytab or join it again`,
        );
      }
      if (source === "password") return refused(`the password of ${principal} is wrong`);
      return refused(`the key is not the current one of ${principal}: export the keytab again`);
    case MINOR.KRB_AP_ERR_TKT_EXPIRED:
      return { code: "AUTH_KERBEROS_NO_TICKET", fix: source === "cache" ? FILL : RAN_OUT };
    case MINOR.FCC_NOFILE:
      if (source === "keytab") {
        return failed(`the keytab cannot be read, or holds no key of ${principal}: see klist -kt`);
      }
      break;
  }
  if (routine === DEFECTIVE_TOKEN) return { code: "AUTH_MALFORMED_TOKEN" };
  if (routine === BAD_MIC) return { code: "AUTH_BAD_MIC" };
  const noTicket = routine === NO_CRED || routine === DEFECTIVE_CREDENTIAL || routine === CREDENTIALS_EXPIRED;
  // No secret of ours is tried, so a failure may be repeated without locking anyone out.
  if (source === "cache" && noTicket) return { code: "AUTH_KERBEROS_NO_TICKET", fix: FILL };
  if (routine === CREDENTIALS_EXPIRED) return { code: "AUTH_KERBEROS_NO_TICKET", fix: RAN_OUT };
  return { code: "AUTH_KERBEROS_FAILED" };
}

/** No KDC answered when it was to be fetched anew, perhaps; MIT asks again only half a minute after a failure. */
const RAN_OUT = "it ran out before there was a new one: the next attempt asks the KDC for one";
const FILL = "the cache holds no valid ticket: run kinit, or set keytabFile";

/** Something has to be set right; another try is harmless. */
function failed(fix: string): Diagnosis {
  return { code: "AUTH_KERBEROS_FAILED", fix };
}

/** The account's credentials were judged: another try may lock it. */
function refused(fix: string): Diagnosis {
  return { code: "AUTH_KERBEROS_REFUSED", fix };
}

/** The text of the minor status, which says what the major one only classifies. */
function describe(native: GssNative, major: number, minor: number): string {
  const { gss_display_status, gss_release_buffer } = native.functions;
  const [type, status] = minor === 0 ? [1, major] : [2, minor];
  const text: GssBuffer = {};
  gss_display_status([0], status, type, KRB5_MECHANISM, [0], text);
  const said = Buffer.from(native.read(text)).toString();
  gss_release_buffer([0], text);
  return said;
}
