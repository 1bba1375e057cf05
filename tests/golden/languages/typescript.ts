import { Logger } from "./logger";

declare function outside(x: number): number;

/** What can be sold. */
interface Item {
  price(at: Date): number;
}

export function pick(name: string): string;
export function pick(name: number): number;
export function pick(name: any): any {
  return typeof name === "string" ? name.trim() : name + 1;
}

export abstract class Store<T extends Item> {
  abstract open(): void;

  private readonly count = (items: T[]): number => items.length + 1;

  @logged("sell")
  @timed
  public async sell(item: T, at?: Date): Promise<number> {
    if (!at) {
      return this.count([]);
    }
    return item.price(at) * 2;
  }

  static create<T extends Item>(): Store<T> {
    return outside(1) > 0 ? pick("x") as any : null;
  }
}

namespace Tax {
  // The share that the state takes.
  export const share = <T,>(value: T, rate = 0.2): number => {
    switch (rate) {
      case 0: return 0;
      default: return Number(value) * rate;
    }
  };
}

/** @internal */
export function hidden(price: number): number {
  return price * 2;
}

/**
 * @description Halves a price.
 * @param price What it costs.
 */
export const halved = (price: number): number => price / 2;
