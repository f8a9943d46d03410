import { StringDecoder } from "node:string_decoder";
import { Secret } from "../ops/secrets.ts";
import { InterruptedError } from "./exit-codes.ts";

/** What of a terminal the prompt needs. */
export interface PromptInput {
  setRawMode(raw: boolean): unknown;
  on(event: "data", listener: (chunk: Buffer) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  off(event: "data", listener: (chunk: Buffer) => void): unknown;
  off(event: "end", listener: () => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

/**
 * Asks for a secret; nothing typed is shown. Ends with Enter; Backspace and Ctrl-U correct.
 * @throws InterruptedError on Ctrl-C, Ctrl-D, or when the terminal goes away.
 */
export async function promptSecret(
  question: string,
  input: PromptInput,
  write: (text: string) => void,
): Promise<Secret> {
  const decoder = new StringDecoder("utf8");
  write(question);
  input.setRawMode(true);
  let typed: string[] = [];
  try {
    return await new Promise<Secret>((resolve, reject) => {
      const finish = (settle: () => void): void => {
        input.off("data", onData);
        input.off("end", onEnd);
        settle();
      };
      const onEnd = (): void => finish(() => reject(new InterruptedError()));
      const onData = (chunk: Buffer): void => {
        for (const char of decoder.write(chunk)) {
          if (char === "\r" || char === "\n") {
            finish(() => resolve(new Secret(typed.join(""))));
            return;
          }
          if (char === "\u0003" || char === "\u0004") {
            onEnd();
            return;
          }
          if (char === "\u007f" || char === "\b") typed.pop();
          else if (char === "\u0015") typed = [];
          else if (char >= " ") typed.push(char);
        }
      };
      input.on("data", onData);
      input.on("end", onEnd);
      input.resume();
    });
  } finally {
    input.setRawMode(false);
    input.pause();
    write("\n");
  }
}
