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

#if 0
int never(int x) { return x + 1; }
# if SHOP
It isn't "code (.
# endif
#elif defined(SHOP)
int sometimes(int x) {
#if 0
    if (x) never(x);
#else
    x = add(x, 3);
#endif
#if defined(A) || defined(B)
    return x;
#endif
}
#endif

/* Starts in three ways. */
static
#ifdef SHOP
int started(int a)
#elif defined(TILL)
int started(int a, int b)
#else
int begun(void)
#endif
{
    return add(a, 1);
}

#ifdef SHOP
int opened(int a) {
#else
int opened(int a, int b) {
#endif
    return add(a, 1);
}

int given(int a,
#ifdef SHOP
    int b
#else
    char b
#endif
)
{
    return add(a, b);
}
