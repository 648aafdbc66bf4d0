# cmake -DSOURCE=gateway/x.txt -DHEADER=gateway/x.hpp -DNAME=x_text -DOUTPUT=x_text.cpp -P EmbedText.cmake: a text file as
# `std::string_view cofferdam::gateway::NAME() noexcept`, which HEADER declares.
file(READ "${SOURCE}" text)
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"\n\nnamespace cofferdam::gateway {\n\nstd::string_view ${NAME}() noexcept\n{\n    return R\"__text__(${text})__text__\";\n}\n\n}  // namespace cofferdam::gateway\n")
