import { boolean, headerName, httpUrl, integer, jsonPointer, listOf, oneOf, optional } from "../formats.ts";
import { file, type OptionTree, option, secretFile, word } from "../option.ts";
import type { AskConfig, GatewayAuthConfig, HeadersConfig } from "../types.ts";

const ask: OptionTree<AskConfig> = {
  url: option(
    optional(httpUrl),
    undefined,
    "`ask`: the application's endpoint that says what a token's holder may see.",
  ),
  method: option(oneOf("GET", "POST"), "GET", "`ask`: how it is asked."),
  header: option(
    headerName,
    "Authorization",
    "`ask`: header that carries the token; `Authorization` as `Bearer <token>`, any other the token alone.",
  ),
  timeoutMs: option(integer(100, 60_000), 5_000, "`ask`: longest wait for an answer."),
  caFile: file("`ask`: PEM file of the authorities that may sign the application's certificate."),
  keepSeconds: option(
    integer(0, 86_400),
    300,
    "`ask`: how long what is known holds while the application is away.",
  ),
  list: option(
    jsonPointer,
    "",
    "`ask`: JSON pointer from the answer to its list. Empty: the answer is the list.",
  ),
  connection: option(
    jsonPointer,
    "/connection",
    "`ask`: JSON pointer from an item to the connection's name. Empty: the item is the name.",
  ),
  path: option(
    optional(jsonPointer),
    undefined,
    "`ask`: JSON pointer from an item to the path of its grant. Default: everything, `/**`.",
  ),
};

const headers: OptionTree<HeadersConfig> = {
  user: option(
    headerName,
    "X-Forwarded-User",
    "`headers`: where a trusted proxy names the user, for the log.",
  ),
  grants: option(
    headerName,
    "X-Smb2nats-Grants",
    "`headers`: where a trusted proxy lists the grants, as JSON.",
  ),
  assertion: option(
    optional(headerName),
    undefined,
    "`headers`: instead of both, a header with a signed JWT; checked as with mode `jwt`.",
  ),
  sessionMinutes: option(
    integer(1, 1_440),
    60,
    "`headers`: how long a socket lives before its client must come through the proxy anew.",
  ),
};

export const auth: OptionTree<GatewayAuthConfig> = {
  mode: option(
    oneOf("none", "jwt", "tokens", "ask", "headers"),
    "none",
    "How clients prove who they are. `none` only on a loopback address.",
  ),
  allowAnonymous: option(
    boolean,
    false,
    "Allow `none` on any address: everyone who reaches the port sees everything.",
  ),
  firstFrame: option(
    boolean,
    true,
    "Open sockets without a token, and wait 5 s for an `auth` frame that brings it. `false`: 401.",
  ),
  jwksUrl: option(optional(httpUrl), undefined, "`jwt`: where the issuer publishes its keys."),
  publicKeyFile: file("`jwt`: PEM file of the issuer's public key."),
  secretFile: secretFile("`jwt`: file with the secret shared with the issuer."),
  tokensFile: secretFile("`tokens`: YAML or JSON file of tokens and their grants."),
  issuer: word("`jwt`: required `iss`."),
  audience: word("`jwt`: required `aud`."),
  algorithms: option(
    listOf(
      oneOf(
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "EdDSA",
        "Ed25519",
        "HS256",
        "HS384",
        "HS512",
      ),
    ),
    [],
    "`jwt`: accepted algorithms. Empty: those that fit the kind of key.",
  ),
  ask,
  headers,
};
