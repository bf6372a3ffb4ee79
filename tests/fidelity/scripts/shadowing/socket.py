whose = "the script's"
