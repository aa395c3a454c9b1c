import type { Progress } from "./computer.ts";
import { find } from "./elements.ts";

export interface LoadingBar {
  /** Before the first progress it is only known that something is under way. */
  begin(name: string): void;
  tell(progress: Progress): void;
  end(): void;
}

export function loadingBar(): LoadingBar {
  const box = find("loading", HTMLDivElement);
  const words = find("loading-words", HTMLSpanElement);
  const bar = find("loaded", HTMLProgressElement);
  let model = "";
  return {
    begin(name) {
      model = name;
      words.textContent = `Loading ${model} ...`;
      bar.removeAttribute("value");
      box.hidden = false;
    },
    tell({ done, total }) {
      words.textContent = `Loading ${model}: ${megabytes(done)} of ${megabytes(total)} MB`;
      bar.value = done / total;
    },
    end() {
      box.hidden = true;
    },
  };
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
