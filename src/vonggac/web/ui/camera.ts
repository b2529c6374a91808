// The camera pages: what moves on it.

export {};
