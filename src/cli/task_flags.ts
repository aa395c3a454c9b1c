import type { TaskComponent } from "../components.ts";
import type { Chosen } from "../config/choice.ts";
import { givenValues, type Setting } from "../config/resolve.ts";
import type { TaskFlags } from "../generate/stored_task.ts";

/** What the command line and the configuration file say about the task, and what they leave open. */
export function taskFlags(chosen: Chosen<TaskComponent>, settings: readonly Setting[]): TaskFlags {
  const { task, ...given } = givenValues(settings, "task");
  return { chosen, given, named: task !== undefined };
}
