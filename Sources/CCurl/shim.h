#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

static inline CURLcode lifeboat_curl_begin(void) { return curl_global_init(CURL_GLOBAL_DEFAULT); }

// Swift cannot call variadic functions: one function for each type of an option.

static inline CURLcode lifeboat_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode lifeboat_curl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode lifeboat_curl_set_string(
    CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode lifeboat_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}

// The type of the callbacks that take and give bytes: reading, writing, headers.
typedef size_t (*lifeboat_curl_bytes)(char *bytes, size_t size, size_t count, void *context);

static inline CURLcode lifeboat_curl_set_bytes(
    CURL *handle, CURLoption option, lifeboat_curl_bytes callback) {
    return curl_easy_setopt(handle, option, callback);
}

static inline CURLcode lifeboat_curl_set_seek(CURL *handle, curl_seek_callback callback) {
    return curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, callback);
}

static inline CURLcode lifeboat_curl_set_progress(
    CURL *handle, curl_xferinfo_callback callback) {
    return curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, callback);
}

static inline CURLcode lifeboat_curl_set_request(CURL *handle, curl_prereq_callback callback) {
    return curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, callback);
}

static inline CURLcode lifeboat_curl_get_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}

static inline CURLcode lifeboat_curl_get_socket(CURL *handle, curl_socket_t *value) {
    return curl_easy_getinfo(handle, CURLINFO_ACTIVESOCKET, value);
}

static inline CURLSHcode lifeboat_curl_share_data(CURLSH *share, curl_lock_data data) {
    return curl_share_setopt(share, CURLSHOPT_SHARE, data);
}

static inline CURLSHcode lifeboat_curl_share_locks(
    CURLSH *share, curl_lock_function lock, curl_unlock_function unlock, void *context) {
    curl_share_setopt(share, CURLSHOPT_LOCKFUNC, lock);
    curl_share_setopt(share, CURLSHOPT_UNLOCKFUNC, unlock);
    return curl_share_setopt(share, CURLSHOPT_USERDATA, context);
}
