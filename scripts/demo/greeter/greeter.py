def greet():
    return "hello from the dry side"
