#include <stdio.h>
#include "shop.h"

int declared(int x);

/*
 * Adds two prices.
 */
static inline int
add(int a, int b)
{
    return a + b;
}

// The first of them.
char *first(char **names, size_t count)
{
    if (names == NULL || count == 0)
        return NULL;
    return names[0];
}

struct item **all(void) { return 0; }

#ifdef SHOP
int total(const struct item *items, int (*price)(const struct item *))
{
    int sum = 0;
    for (; items; items = items->next) {
        switch (items->kind) {
        case 1:
            sum = add(sum, price(items));
            break;
        default:
            declared(sum);
        }
    }
    return sum;
}
#endif

void empty(void)
{
    /* nothing */
}

int locked(int x)
{
    SHOP_BEGIN_LOCK
    x = add(x, 1);
    SHOP_END_LOCK
    if (x == 0) {
        return -1;
    }
    return x;
}

int both(int x)
{
#ifdef SHOP
    if (x) {
#else
    if (!x) {
#endif
        x = add(x, 2);
    }
    return x;
}

static int (*chosen(int kind))(int) {
    return kind > 1 ? add_one : add_two;
}
