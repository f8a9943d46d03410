import {
  boolean,
  connectionName,
  dialect,
  type Format,
  hostAndPort,
  integer,
  listOf,
  oneOf,
  optional,
  port,
  shareName,
  sharePath,
} from "../formats.ts";
import { file, type OptionTree, option, secretFile, word } from "../option.ts";
import { readySetting } from "../ready-format.ts";
import type { ConnectionConfig, NotifyFilter, PinnedWatch } from "../types.ts";

const notifyFilters: Format<NotifyFilter> = oneOf(
  "names",
  "file-names",
  "directory-names",
  "attributes",
  "size",
  "last-write",
  "last-access",
  "creation",
  "ea",
  "security",
  "stream-names",
  "stream-size",
  "stream-write",
);

const SETTLE_MS = integer(0, 3_600_000);
const RESCAN_MINUTES = integer(0, 10_080);

/** Options of one entry of `connections`. */
export const CONNECTION_OPTIONS: OptionTree<ConnectionConfig> = {
  server: option(hostAndPort, "", "File server: name or address, with or without :port.", { required: true }),
  port: option(port, 445, "TCP port; one in `server` wins."),
  share: option(shareName, "", "Name of the share.", { required: true }),
  root: option(sharePath, "/", "Directory below the share that `/` means."),
  username: word("Account. Default: `account.username`. NTLM needs one."),
  domain: word("Domain or realm of the account. Default: `account.domain`."),
  passwordFile: secretFile("File with the password. Default: `account.passwordFile`."),
  keytabFile: file("Kerberos: file of long-term keys."),
  spnHost: word(
    "Kerberos: host of the service principal `cifs/<host>`, where it is not `server` (an alias, an address).",
  ),
  ccache: word("Kerberos: credential cache, such as `FILE:/run/krb5cc`. Default: the system's."),
  signing: option(oneOf("required", "if-offered"), "required", "Whether to refuse servers that cannot sign."),
  encryption: option(
    oneOf("off", "auto", "required"),
    "auto",
    "`auto` encrypts what the server wants encrypted; `required` refuses servers that cannot.",
  ),
  minDialect: option(dialect, "2.1", "Oldest SMB dialect accepted."),
  compound: option(
    oneOf("auto", "off"),
    "auto",
    "Several requests in one frame. `auto` stops where answers to them are signed wrongly; `off` never begins.",
  ),
  auth: option(
    oneOf("ntlm", "kerberos", "negotiate"),
    "ntlm",
    "How to log in. `negotiate` takes Kerberos, and NTLM only with `ntlmFallback`.",
  ),
  ntlmFallback: option(
    boolean,
    false,
    "With `auth: negotiate`: log in by NTLMv2 where Kerberos has no ticket for the server.",
  ),
  cover: option(
    oneOf("auto", "directory", "tree"),
    "auto",
    "What is held: `auto` and `tree` are in nobody's way; `directory`, a handle on each directory, hears all at once and is.",
  ),
  caseSensitive: option(boolean, false, "Whether the server keeps `A` and `a` apart."),
  notify: option(
    listOf(notifyFilters),
    ["names", "attributes", "size", "last-write", "creation"],
    "Which changes the server is asked to tell.",
  ),
  stat: option(boolean, false, "Add type, size, time and file id to each change."),
  settleMs: option(SETTLE_MS, 0, "Hold a file back until it has been quiet that long; 0 is off."),
  ready: option(
    readySetting,
    "off",
    "Tell files when they are complete: quiet, and open for writing nowhere.",
  ),
  rescanMinutes: option(
    RESCAN_MINUTES,
    0,
    "List and compare that often, for changes the server does not tell; 0 is never.",
  ),
  pollSeconds: option(integer(1, 86_400), 30, "How often to list where the server cannot notify."),
  maxEntries: option(
    integer(1_000),
    200_000,
    "Names remembered per watch; beyond it a rescan is told as a resync.",
  ),
  maxReady: option(
    integer(1_000, 10_000_000),
    100_000,
    "With `ready`: files waited for at the same time, over all watches of the connection; others come later.",
  ),
  maxHandles: option(integer(1, 100_000), 5_000, "Directory handles of this connection."),
};

/** Options of one entry of `watches`. */
export const WATCH_OPTIONS: OptionTree<PinnedWatch> = {
  connection: option(connectionName, "", "Name of the connection.", { required: true }),
  path: option(sharePath, "/", "Directory below the connection's root."),
  recursive: option(boolean, false, "Whether the directories below belong to it."),
  notify: option(
    optional(listOf(notifyFilters)),
    undefined,
    "As for connections. Default: the connection's.",
  ),
  stat: option(optional(boolean), undefined, "As for connections. Default: the connection's."),
  settleMs: option(optional(SETTLE_MS), undefined, "As for connections. Default: the connection's."),
  ready: option(optional(readySetting), undefined, "As for connections. Default: the connection's."),
  rescanMinutes: option(
    optional(RESCAN_MINUTES),
    undefined,
    "As for connections. Default: the connection's.",
  ),
};
