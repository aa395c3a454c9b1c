import { show } from "./expectation.ts";
import { type Field, flagOf, hasPlace, isSwitch, keyOf } from "./field.ts";
import { UserError } from "./user_error.ts";

/** What a flag does: give its field a value, or stand for a certain one. */
export interface FlagMeaning {
  readonly field: Field;
  /** Present for `--no-x`, which sets false, and for shorthands such as `--cpu`. */
  readonly sets?: { readonly value: unknown };
}

/**
 * All flags and keys of a command. A key may stand in several sections (`max_update` is known to
 * the optimisation and to some schedules): it is one flag, and its value goes to each of them.
 */
export class FlagTable {
  /** One field for each key, in the order of the sections. */
  readonly fields: ReadonlyMap<string, Field>;
  readonly positionals: readonly Field[];
  /** The one that takes what stands behind `--`. */
  readonly rest: Field | undefined;
  private readonly byFlag = new Map<string, FlagMeaning>();
  private readonly byKey = new Map<string, Field>();

  /**
   * @param ownerOf the choice that would bring a flag which is not in the table.
   * @throws UserError when two fields claim one flag, or one key has two defaults.
   */
  constructor(
    fields: readonly Field[],
    readonly ownerOf: (flag: string) => string | undefined = () => undefined,
  ) {
    const unique = new Map<string, Field>();
    for (const field of fields) {
      const earlier = unique.get(field.key);
      if (earlier === undefined) unique.set(field.key, field);
      else requireEqual(earlier, field);
    }
    this.fields = unique;
    this.positionals = [...unique.values()].filter((field) => field.positional);
    this.rest = [...unique.values()].find((field) => field.rest);
    for (const field of unique.values()) this.claimAll(field);
  }

  flag(name: string): FlagMeaning | undefined {
    return this.byFlag.get(name);
  }

  flags(): MapIterator<string> {
    return this.byFlag.keys();
  }

  /** The field of a configuration key or of a long alias spelled as one. */
  key(name: string): Field | undefined {
    return this.byKey.get(name);
  }

  keys(): MapIterator<string> {
    return this.byKey.keys();
  }

  private claimAll(field: Field): void {
    this.byKey.set(field.key, field);
    if (hasPlace(field)) return;
    this.claim(field.flag, { field });
    for (const alias of field.aliases ?? []) {
      this.claim(alias, { field });
      if (alias.startsWith("--")) this.byKey.set(keyOf(alias), field);
    }
    for (const [flag, value] of Object.entries(field.shorthands ?? {})) {
      this.claim(flag, { field, sets: { value } });
    }
    if (isSwitch(field) && !field.key.startsWith("no_")) {
      this.claim(flagOf(`no_${field.key}`), { field, sets: { value: false } });
    }
  }

  private claim(flag: string, meaning: FlagMeaning): void {
    const holder = this.byFlag.get(flag)?.field;
    if (holder !== undefined) {
      throw new UserError({
        place: flag,
        problem: `is claimed by ${holder.key} of ${holder.section} and ${meaning.field.key} of ${meaning.field.section}`,
        remedy: "rename one of the two keys or aliases",
      });
    }
    this.byFlag.set(flag, meaning);
  }
}

function requireEqual(first: Field, second: Field): void {
  const type = (field: Field): string => show(field.value.type ?? field.value.anyOf ?? null);
  const same = type(first) === type(second) && show(first.default) === show(second.default);
  if (same) return;
  throw new UserError({
    place: first.flag,
    problem: `${first.section} and ${second.section} disagree about its type or default (${show(first.default)} and ${show(second.default)})`,
    remedy: "a key that several sections share needs one type and one default; or rename it",
  });
}
