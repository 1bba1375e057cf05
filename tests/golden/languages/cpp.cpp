#include "shop.hpp"

namespace shop {

// Adds two prices.
template <typename T>
T add(const T &a, const T &b) {
  return a + b;
}

class Basket final : public Base {
 public:
  explicit Basket(int size) : size_(size) {}
  Basket(const Basket &) = delete;
  ~Basket() override {
    for (auto *item : items_) delete item;
  }

  bool operator==(const Basket &other) const { return size_ == other.size_; }
  operator bool() const { return size_ > 0; }
  int total() const;

  /// How many there are.
  int size() const noexcept { return size_; }

 private:
  int size_;
};

int Basket::total() const {
  int sum = 0;
  auto more = [&](int x) { return x + 1; };
  while (sum < size()) {
    try {
      sum = add(sum, this->size()) + detail::tax(sum);
    } catch (const std::exception &) {
      return sum && more(1) ? 0 : 1;
    }
  }
  return sum;
}

namespace detail {
static const int &
tax(const int &price) {
  if (price > 3) return price;
  return kNone;
}
}  // namespace detail

template <>
std::ostream &Writer<int>::operator<<(std::ostream &out) {
  return out << 1;
}

}  // namespace shop

int main() { return shop::add(1, 2); }

class SHOP_EXPORT Till : public shop::Basket {
 public:
  Till();
  ~Till() override;
  int paid(int given) const { return given > 1 ? given : 0; }
};

struct SHOP_EXPORT Coin {
  int worth() const { return cents * 2; }
  int cents;
};

Till::
    ~Till() {
  Guard guard{lock};
  close();
}

SHOP_EXPORT SHOP_DEPRECATED("soon") Basket *opened(int size) SHOP_NOEXCEPT {
  return size > 0 ? new Basket(size) : nullptr;
}

int (*chosen(int kind))(int) {
    return kind > 1 ? add_one : add_two;
}
