// The page, whoever computes for it: what is typed is translated, what is chosen is opened.
import { type Computer, type OpenModel, TokenWanted } from "./computer.ts";
import { find, make } from "./elements.ts";
import { ENGINES, isEngine } from "./engines.ts";
import { loadingBar } from "./loading_bar.ts";
import { Newest } from "./newest.ts";
import { resultView } from "./result_view.ts";
import { searchControls } from "./search_controls.ts";

/** Milliseconds without a key before a text is translated. */
const PAUSE = 200;

export function startPage(computer: Computer): void {
  const text = find("text", HTMLTextAreaElement);
  const models = find("models", HTMLSelectElement);
  const engines = find("engines", HTMLSelectElement);
  const result = resultView();
  const loading = loadingBar();
  const newest = new Newest();
  let model: OpenModel | undefined;

  const translate = (): void => {
    newest.cancel();
    if (model === undefined) return;
    if (text.value.trim() === "") {
      result.clear();
      tellProblem();
      return;
    }
    const { value } = text;
    const opened = model;
    newest.run((signal) => translateNow(opened, value, signal), PAUSE);
  };

  const controls = searchControls(translate);

  const translateNow = async (
    opened: OpenModel,
    value: string,
    signal: AbortSignal,
  ): Promise<void> => {
    const begin = performance.now();
    const onPartial = (partial: string): void => {
      if (!signal.aborted) result.showPartial(partial);
    };
    try {
      const found = await opened.translate(value, { ...controls.read(), signal, onPartial });
      if (signal.aborted) return;
      result.show(found, performance.now() - begin);
      tellProblem();
    } catch (error) {
      if (signal.aborted) return;
      result.clear();
      tellProblem(error);
    }
  };

  const open = async (): Promise<void> => {
    newest.cancel();
    model = undefined;
    models.disabled = true;
    engines.disabled = true;
    loading.begin(models.value);
    try {
      model = await computer.open(models.value, engines.value, loading.tell);
      describe(model);
      tellProblem();
      translate();
    } catch (error) {
      tellProblem(error);
    } finally {
      loading.end();
      models.disabled = false;
      engines.disabled = false;
    }
  };

  const start = async (): Promise<void> => {
    try {
      const offers = await computer.offers();
      if (offers.models.length === 0)
        throw new Error("No model is loaded yet: load the page again later.");
      models.replaceChildren(...offers.models.map((name) => make("option", { value: name }, name)));
      engines.replaceChildren(...offers.engines.map(engineOption));
      find("engine-choice", HTMLLabelElement).hidden = offers.engines.length < 2;
      find("access", HTMLFormElement).hidden = true;
    } catch (error) {
      loading.end();
      if (error instanceof TokenWanted) askForToken(computer, start);
      tellProblem(error);
      return;
    }
    await open();
  };

  text.addEventListener("input", translate);
  models.addEventListener("change", () => void open());
  engines.addEventListener("change", () => void open());
  void start();
}

const engineOption = (name: string): HTMLOptionElement =>
  make("option", { value: name }, isEngine(name) ? ENGINES[name].label : name);

/** A failure in words; none clears the last one. */
export function tellProblem(error?: unknown): void {
  const words = error instanceof Error ? error.message : String(error ?? "");
  find("problem", HTMLParagraphElement).textContent = words.replace(/\s+/g, " ");
}

function describe({ source, target, about }: OpenModel): void {
  find("about", HTMLParagraphElement).textContent = about;
  find("text", HTMLTextAreaElement).lang = source;
  find("translation", HTMLOutputElement).lang = target;
}

function askForToken({ authorize }: Computer, again: () => Promise<void>): void {
  const form = find("access", HTMLFormElement);
  form.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    authorize?.(find("token", HTMLInputElement).value);
    void again();
  };
}
