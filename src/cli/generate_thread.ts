// Entry of a thread that translates some of the batches of `weft generate`; see
// src/generate/translation_team.ts for the other side.
import { UserError } from "../config/user_error.ts";
import { shareBatches } from "../generate/batch_share.ts";
import type { TeamReply, TeamTask } from "../generate/translation_team.ts";
import { generateCommand } from "./generate.ts";
import { StreamTerminal } from "./terminal.ts";

declare const self: {
  onmessage: ((event: MessageEvent<TeamTask>) => void) | null;
  postMessage(reply: TeamReply): void;
};

self.onmessage = async ({ data: task }) => {
  const command = generateCommand((config, flags, invocation) =>
    shareBatches(config, flags, invocation, task, (reply) => self.postMessage(reply)),
  );
  try {
    await command.execute(task.args, new StreamTerminal());
  } catch (error) {
    if (error instanceof UserError) self.postMessage({ user: error.detail });
    else self.postMessage({ message: error instanceof Error ? `${error.stack}` : String(error) });
  }
};
