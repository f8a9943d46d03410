export type Message = Record<string, unknown> & { action: string; id: number };

/** A gateway's side of a WebSocket, by hand. */
export class FakeWebSocket {
  static readonly all: FakeWebSocket[] = [];
  readonly url: string;
  readonly protocols: string[];
  readonly sent: Message[] = [];
  readyState: number = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  closedByUs: boolean = false;

  constructor(url: string, protocols: string[] = []) {
    this.url = url;
    this.protocols = protocols;
    FakeWebSocket.all.push(this);
  }
  static get last(): FakeWebSocket {
    return FakeWebSocket.all.at(-1) as FakeWebSocket;
  }
  send(data: string): void {
    this.sent.push(JSON.parse(data) as Message);
  }
  close(): void {
    this.closedByUs = true;
    this.readyState = 2;
  }
  async accept(): Promise<void> {
    this.readyState = 1;
    this.onopen?.({} as never);
    await flush();
  }
  async say(frame: object): Promise<void> {
    this.onmessage?.({ data: JSON.stringify(frame) } as never);
    await flush();
  }
  async drop(code: number, reason: string = ""): Promise<void> {
    this.readyState = 3;
    this.onclose?.({ code, reason } as never);
    await flush();
  }
  of(action: string): Message[] {
    return this.sent.filter((message) => message.action === action);
  }
  /** Answers the newest request of this action. */
  async answer(action: string, frame: object): Promise<void> {
    await this.say({ id: this.of(action).at(-1)?.id, ...frame });
  }
}

export async function flush(): Promise<void> {
  for (let n = 0; n < 10; n++) await Promise.resolve();
}
