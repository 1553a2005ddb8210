/**
 * A bounded map: two generations of `limit / 2` entries. When the young one is full it becomes the old one and the
 * old one is dropped, so a hit writes nothing and what is used stays.
 */
export class BoundedCache<T> {
  #young = new Map<string, T>();
  #old = new Map<string, T>();
  #revision = 0;

  constructor(private readonly limit: number) {}

  /** Counts the purges. A value computed before a purge must not be stored after it. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): T | undefined {
    const value = this.#young.get(key);
    if (value !== undefined) return value;
    const aged = this.#old.get(key);
    if (aged !== undefined) {
      this.#old.delete(key);
      this.set(key, aged);
    }
    return aged;
  }

  set(key: string, value: T): void {
    if (this.#young.size >= this.limit / 2 && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  purge(): void {
    this.#revision += 1;
    this.#young = new Map();
    this.#old = new Map();
  }
}
