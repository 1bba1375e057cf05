// What a shop sells, in all the ways that JavaScript has to write a function.
import fs, { readFile as load } from "node:fs";
import * as money from "./money.js";
const { round } = require("./money");

/** Adds two prices. */
export function add(a, b = 1) {
  return a && b ? a + b : 0;
}

export default async function* pages(url) {
  for await (const page of fetchAll(url)) yield page;
}

/**
 * Halves a price.
 * @param {number} price
 */

const half = (price) => {
  if (price < 0) throw new RangeError("negative");
  return round(price / 2);
};

const twice = price => price * 2;
const same = (price) => price;

let quarter = function (price) {
  return half(half(price));
};

class Basket extends Base {
  #items = [];
  total = () => this.#items.reduce((sum, one) => add(sum, one), 0);

  constructor(items) {
    super();
    this.#items = items;
  }

  static of(...items) {
    return new Basket(items.filter(Boolean));
  }

  get size() {
    return this.#items.length;
  }

  async *[Symbol.iterator]() {
    while (this.more()) {
      yield this.next() ?? money.none();
    }
  }
}

Basket.prototype.clear = function clear() {
  const drop = (item) => {
    item.gone = true;
    return item;
  };
  this.items.forEach(drop);
};

exports.check = function (price, callback) {
  try {
    return callback(half(price));
  } catch {
    return money.none();
  }
};

module.exports = {
  "by-name"(name) {
    return exports.check(name, (x) => x);
  },
  later: async () => await load("later") + 1,
};

(function () {
  function hidden(x) {
    return x + 1;
  }
})();

Basket.prototype = {
  fill: function (items) {
    this.items = items.map(add);
  },
};

/** What this file is for. */
export default function (price) {
  return price * 100;
}
