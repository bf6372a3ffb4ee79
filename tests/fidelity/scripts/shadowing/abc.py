whose = "never seen: the interpreter has it from its start"
