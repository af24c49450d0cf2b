#include "apiserver/front_user.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "serve/mac.h"

static const char accounts[] = "system:serviceaccount:";

void front_user_add_group(struct front_user *user, const char *group) {
    if (mem_grow(&user->groups, &user->cap, user->count + 2, sizeof *user->groups) < 0) {
        user->failed = true;
        return;
    }
    user->groups[user->count++] = group;
    user->groups[user->count] = NULL;
}

const char *front_user_bearer(const char *authorization) {
    static const char scheme[] = "Bearer ";
    if (authorization == NULL || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return "";
    authorization += sizeof scheme - 1;
    return authorization + strspn(authorization, " ");
}

static bool is_in(const struct front_user *user, const char *group) {
    for (size_t i = 0; i < user->count; i++)
        if (strcmp(user->groups[i], group) == 0)
            return true;
    return false;
}

/* A service account is in the groups of all and of its namespace's. */
static void add_account_groups(struct front_user *user) {
    const char *ns = user->name + strlen(accounts), *end = strchr(ns, ':');
    if (end == NULL)
        return;
    user->owned = mem_printf("system:serviceaccounts:%.*s", (int)(end - ns), ns);
    if (user->owned == NULL) {
        user->failed = true;
        return;
    }
    front_user_add_group(user, "system:serviceaccounts");
    front_user_add_group(user, user->owned);
}

static void impersonate(struct front_user *user, const char *name) {
    user->name = name;
    if (user->count == 0 && strncmp(name, accounts, strlen(accounts)) == 0)
        add_account_groups(user);
    bool anonymous = strcmp(name, "system:anonymous") == 0;
    const char *group = anonymous ? "system:unauthenticated" : "system:authenticated";
    if (!is_in(user, group))
        front_user_add_group(user, group);
}

enum who { NOBODY, ANYBODY, ACCOUNT, ADMIN };

static enum who who_shows(const struct front_claim *claim) {
    const char *shown = front_user_bearer(claim->authorization);
    if (claim->authorization == NULL)
        return claim->anonymous ? ANYBODY : NOBODY;
    if (mac_same(str_of(shown), str_of(claim->token)))
        return ADMIN;
    return claim->account ? ACCOUNT : NOBODY;
}

static void be(struct front_user *user, enum who who, const struct front_claim *claim) {
    user->name = who == ADMIN ? "kubernetes-admin" : who == ACCOUNT ? claim->account : "";
    if (who == ADMIN)
        front_user_add_group(user, "system:masters");
    else if (who == ACCOUNT)
        add_account_groups(user);
    front_user_add_group(user, who == ANYBODY ? "system:unauthenticated" : "system:authenticated");
}

int front_user_find(struct front_user *user, const struct front_claim *claim, struct error *err) {
    enum who who = who_shows(claim);
    bool wishes = claim->impersonate || user->count > 0;
    if (who == NOBODY)
        return error_set(err, ERROR_UNAUTHORIZED, "Unauthorized");
    if (wishes && who == ANYBODY)
        return error_set(err, ERROR_REJECTED, "system:anonymous may not impersonate");
    if (user->count > 0 && claim->impersonate == NULL)
        return error_set(err, ERROR_REJECTED, "Impersonate-Group without Impersonate-User");
    if (claim->impersonate)
        impersonate(user, claim->impersonate);
    else
        be(user, who, claim);
    return user->failed ? error_set(err, ERROR_NOMEM, "no memory for a user") : 0;
}

void front_user_finish(struct front_user *user) {
    mem_free(user->groups);
    mem_free(user->owned);
    *user = (struct front_user){0};
}
