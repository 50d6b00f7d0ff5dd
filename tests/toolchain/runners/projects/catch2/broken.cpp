int main() { return nope(); }
