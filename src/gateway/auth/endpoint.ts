import { type Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { Smb2NatsError } from "../../base/errors.ts";
import { GatewayOptionsError, TokenError } from "../errors.ts";
import type { AskOptions } from "../options.ts";

/** Longest answer read. Sambee tells some 500 bytes for each connection. */
const MAX_ANSWER_BYTES = 1_048_576;
/** A token that is not one would be a header of its own. */
const HEADER_VALUE = /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/;
/** Sockets to the application. Whoever asks beyond waits. */
const SOCKETS = 16;

/** The application did not answer in a way that says anything. */
export class EndpointError extends Smb2NatsError {
  constructor(message: string, cause?: unknown) {
    super("GATEWAY_ASK", "silent", message, { retryable: true, cause });
  }
}

/** The application's own endpoint, asked with a client's token. */
export class Endpoint {
  readonly #url: URL;
  readonly #options: AskOptions;
  readonly #agent: Agent | HttpAgent | undefined;

  /** @throws GatewayOptionsError */
  constructor(options: AskOptions) {
    this.#options = options;
    this.#url = new URL(options.url);
    if (this.#url.username !== "" || this.#url.password !== "") {
      throw new GatewayOptionsError("the URL to ask holds a password");
    }
    const { ca } = options;
    if (this.#url.protocol === "https:") {
      this.#agent = new Agent({ keepAlive: true, maxSockets: SOCKETS, ...(ca === undefined ? {} : { ca }) });
    }
  }

  /**
   * The answer, parsed.
   * @throws TokenError `invalid` where the application refuses the token, EndpointError where it says nothing
   */
  async ask(token: string, signal: AbortSignal): Promise<unknown> {
    if (!HEADER_VALUE.test(token)) throw new TokenError("invalid", "the token cannot be a header");
    const { status, body } = await this.#request(token, signal);
    if (status === 401 || status === 403)
      throw new TokenError("invalid", "the application refuses the token");
    if (status !== 200) throw new EndpointError(`the application answered ${status}`);
    try {
      return JSON.parse(body);
    } catch {
      throw new EndpointError("the application's answer is not JSON");
    }
  }

  close(): void {
    this.#agent?.destroy();
  }

  #request(token: string, signal: AbortSignal): Promise<{ readonly status: number; readonly body: string }> {
    const { header = "authorization", method = "GET" } = this.#options;
    const value = header.toLowerCase() === "authorization" ? `Bearer ${token}` : token;
    const headers = {
      accept: "application/json",
      [header]: value,
      ...(method === "POST" ? { "content-length": 0 } : {}),
    };
    const send = this.#url.protocol === "https:" ? httpsRequest : httpRequest;
    const agent = this.#agent === undefined ? {} : { agent: this.#agent };
    return new Promise((resolve, reject) => {
      const failed = (error: unknown): void =>
        reject(new EndpointError("the application cannot be asked", error));
      // Redirections are not followed: they would carry the token to wherever they point.
      const request = send(this.#url, { method, headers, signal, ...agent }, (response) => {
        read(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), failed);
      });
      request.on("error", failed);
      request.end();
    });
  }
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) {
      response.destroy();
      throw new EndpointError("the application's answer is too long");
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
